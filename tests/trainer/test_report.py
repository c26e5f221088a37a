"""What is said of a trained policy, recomputed another way."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.errors import InputError
from data.records import Sampling
from tests.models import save_adapter
from tests.trainer.scene import ask, random_lora, toy_pairs
from trainer.adapter import read_adapter
from trainer.base import Base, load_base
from trainer.batching import TokenPair
from trainer.generate import Sampler
from trainer.policy import Policy
from trainer.report import agreement, drift, make_canary

QUESTION = ask("how do I boil an egg?")
SAMPLING = Sampling(temperature=0.3, top_p=0.5, max_new_tokens=6)


@pytest.fixture
def policy(base: Base) -> Policy:
    """Far from its reference."""
    policy = Policy(base, rank=4, alpha=8, seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    return policy


def mirrored(pairs: list[TokenPair]) -> list[TokenPair]:
    return [TokenPair(pair.prompt_ids, pair.rejected_ids, pair.chosen_ids) for pair in pairs]


class TestAgreement:
    def test_a_fresh_policy_ties_with_itself_and_so_scores_half(self, base: Base) -> None:
        found = agreement(Policy(base, rank=4, alpha=8, seed=0), toy_pairs(6), beta=0.1, token_budget=8192)
        assert (found.accuracy, found.margin) == (0.5, 0.0)

    def test_without_pairs_there_is_nothing_to_say(self, policy: Policy) -> None:
        found = agreement(policy, [], beta=0.1, token_budget=8192)
        assert (found.accuracy, found.margin) == (None, None)

    def test_it_is_beta_times_the_plain_difference_of_log_ratios(self, policy: Policy) -> None:
        pairs = toy_pairs(10)

        def logp(prompt: tuple[int, ...], answer: tuple[int, ...]) -> float:
            logits = policy.model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
            return float(torch.log_softmax(logits.double(), -1)[range(len(answer)), answer].sum())

        def difference(pair: TokenPair) -> float:
            return logp(pair.prompt_ids, pair.chosen_ids) - logp(pair.prompt_ids, pair.rejected_ids)

        with torch.no_grad():
            grown = [difference(pair) for pair in pairs]
            with policy.reference():
                margins = [0.2 * (here - difference(pair)) for here, pair in zip(grown, pairs, strict=True)]
        found = agreement(policy, pairs, beta=0.2, token_budget=100)
        assert found.margin == pytest.approx(sum(margins) / 10, abs=1e-5)
        assert found.accuracy == sum(margin > 0 for margin in margins) / 10

    def test_exchanged_sides_give_the_rest_to_one(self, policy: Policy) -> None:
        here = agreement(policy, toy_pairs(10), beta=0.1, token_budget=8192)
        there = agreement(policy, mirrored(toy_pairs(10)), beta=0.1, token_budget=8192)
        assert here.accuracy is not None and there.accuracy == pytest.approx(1 - here.accuracy)
        assert here.margin is not None and there.margin == pytest.approx(-here.margin, abs=1e-5)


class TestCanary:
    def test_it_is_the_greedy_answer_of_transformers(self, policy: Policy) -> None:
        canary = make_canary(policy, QUESTION)
        prompt = policy.base.prompt_ids(QUESTION)
        oracle = policy.model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False, pad_token_id=0)
        assert canary.token_ids == tuple(oracle[0, len(prompt) :].tolist())
        assert canary.prompt == QUESTION

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_the_sampler_reproduces_it_with_the_adapter_and_without(
        self, model_dir: Path, tmp_path: Path, seed: int
    ) -> None:
        canary = save_adapter(model_dir, tmp_path / "v1", seed=seed).canary
        sampler = Sampler(load_base(str(model_dir)))
        sampler.load("v1", read_adapter(tmp_path / "v1", sampler.base.model, max_rank=16))
        prompt = sampler.base.prompt_ids(canary.prompt)
        assert sampler.score(prompt, canary.token_ids, "v1") == pytest.approx(canary.logprobs, abs=1e-4)
        assert sampler.score(prompt, canary.token_ids, None) == pytest.approx(canary.base_logprobs, abs=1e-4)

    def test_another_adapter_does_not_reproduce_it(self, model_dir: Path, tmp_path: Path) -> None:
        canary = save_adapter(model_dir, tmp_path / "v1", seed=1).canary
        sampler = Sampler(load_base(str(model_dir)))
        sampler.load("v2", random_lora(sampler.base.model, seed=2))
        score = sampler.score(sampler.base.prompt_ids(canary.prompt), canary.token_ids, "v2")
        assert max(abs(a - b) for a, b in zip(score, canary.logprobs, strict=True)) > 0.01

    def test_it_ends_where_the_answer_ends(self, policy: Policy) -> None:
        whole = make_canary(policy, QUESTION)
        stop = whole.token_ids[4]
        policy.base = replace(policy.base, eos_ids=frozenset({stop}))
        assert make_canary(policy, QUESTION).token_ids == whole.token_ids[: whole.token_ids.index(stop) + 1]

    def test_a_prompt_that_leaves_no_room_is_refused(self, policy: Policy) -> None:
        with pytest.raises(InputError, match="its answer may take 24"):
            make_canary(policy, ask("egg " * 600))


class TestDrift:
    def test_an_adapter_of_zeros_has_not_drifted(self, base: Base, model_dir: Path, tmp_path: Path) -> None:
        Policy(base, rank=4, alpha=8, seed=0).save(tmp_path / "v1")
        found = drift(load_base(str(model_dir)), tmp_path / "v1", [QUESTION], sampling=SAMPLING, seed=0, rank=4)
        assert found.kl_mean == pytest.approx(0, abs=1e-4)

    def test_the_kl_of_one_token_is_that_of_the_two_distributions(self, policy: Policy, tmp_path: Path) -> None:
        """Closed form for answers of one token; 64 samples of the log ratio lie within five of their errors."""
        prompt = torch.tensor([policy.base.prompt_ids(QUESTION)])
        with torch.no_grad():
            here = torch.log_softmax(policy.model(input_ids=prompt).logits[0, -1].double(), -1)
            with policy.reference() as reference:
                there = torch.log_softmax(reference(input_ids=prompt).logits[0, -1].double(), -1)
        kl = float((here.exp() * (here - there)).sum())
        variance = float((here.exp() * (here - there - kl) ** 2).sum())
        policy.save(tmp_path / "v1")
        one = Sampling(max_new_tokens=1)
        found = drift(policy.detach(), tmp_path / "v1", [QUESTION], sampling=one, seed=0, rank=4)
        assert kl > 0.01
        assert found.kl_mean == pytest.approx(kl, abs=5 * math.sqrt(variance / 64))
        assert found.mean_length == 1.0

    def test_it_is_a_function_of_its_seed(self, model_dir: Path, tmp_path: Path) -> None:
        save_adapter(model_dir, tmp_path / "v1", seed=1)

        def once(seed: int) -> object:
            prompts = [QUESTION, ask("why?")]
            return drift(load_base(str(model_dir)), tmp_path / "v1", prompts, sampling=SAMPLING, seed=seed, rank=4)

        assert once(3) == once(3)
        assert once(3) != once(4)

    def test_the_share_that_ended_by_itself_is_told(self, model_dir: Path, tmp_path: Path) -> None:
        save_adapter(model_dir, tmp_path / "v1", seed=1)
        ends = frozenset(random.Random(0).sample(range(262), 131))  # about every second token ends an answer
        base = replace(load_base(str(model_dir)), eos_ids=ends)
        found = drift(base, tmp_path / "v1", [QUESTION], sampling=SAMPLING, seed=0, rank=4)
        assert 0.9 < found.eos_rate <= 1  # 1 - 2**-6 is expected
        assert 1 < found.mean_length < 3  # 2 is expected

    def test_answers_that_the_limit_cut_did_not_end_by_themselves(self, model_dir: Path, tmp_path: Path) -> None:
        save_adapter(model_dir, tmp_path / "v1", seed=1)
        base = replace(load_base(str(model_dir)), eos_ids=frozenset({10**6}))
        found = drift(base, tmp_path / "v1", [QUESTION], sampling=SAMPLING, seed=0, rank=4)
        assert (found.eos_rate, found.mean_length) == (0.0, 6.0)
