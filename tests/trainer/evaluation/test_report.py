"""What is said of a trained policy, recomputed another way."""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from data.records import Message, Sampling
from tests.models import save_adapter
from tests.trainer.plainly import alone
from tests.trainer.scene import ask, random_lora, toy_pairs
from trainer.evaluation.contenders import Contenders
from trainer.evaluation.evaluation import Samples, distance
from trainer.evaluation.report import agreed as agreement_of
from trainer.evaluation.report import by_seeds_alone, divergence, drift
from trainer.evaluation.scoring import Scorer
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Packed
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.manifest import Agreement, Drift
from trainer.model.adapter import Adapter, read_adapter
from trainer.model.base import Base, load_base
from trainer.model.lora import Lora, LoraStack
from trainer.model.policy import Policy
from trainer.sampling.sampler import Request, Sampler

QUESTION = ask("how do I boil an egg?")


def agreed(policy: Policy, pairs: list[TokenPair], budget: int = 8192) -> Agreement:
    with policy.reference():
        reference = group_logps(policy, Packed(), [pair.group for pair in pairs], TokenBudget(budget, print))
    with policy.acting():
        found = group_logps(policy, Packed(), [pair.group for pair in pairs], TokenBudget(budget, print))
    return agreement_of(pairs, before=reference, after=found)


def drifted(model_dir: Path, adapter: Path, *, seed: int = 0, eos_ids: frozenset[int] | None = None) -> Drift:
    base = load_base(str(model_dir))
    base = base if eos_ids is None else replace(base, eos_ids=eos_ids)
    found = read_adapter(adapter, base.model, max_rank=4)
    return drift_of(base, found, None, [QUESTION, ask("why?")], max_new_tokens=6, seed=seed)


def drift_of(
    base: Base,
    adapter: Adapter,
    reference: Adapter | None,
    prompts: Sequence[tuple[Message, ...]],
    *,
    max_new_tokens: int,
    seed: int,
) -> Drift:
    policy = Policy.from_version(base, adapter)
    scorer = Scorer(policy, Packed(), TokenBudget(8192, print), name="policy", others={"reference": reference})
    contenders = Contenders(base, {"policy": adapter})
    rows = contenders.draw(contenders.requests("policy", prompts, count=64, max_new_tokens=max_new_tokens, seed=seed))
    samples = Samples({"policy": rows}, {"policy": contenders.manner(rows)})
    return drift(distance(samples, scorer, "policy", "reference"), samples.manners["policy"])


def mirrored(pairs: list[TokenPair]) -> list[TokenPair]:
    return [TokenPair(pair.prompt_ids, pair.rejected_ids, pair.chosen_ids) for pair in pairs]


class TestAgreement:
    def test_a_fresh_policy_ties_with_itself_and_so_scores_half(self, base: Base) -> None:
        found = agreed(Policy.from_base(base, rank=4, alpha=8, seed=0), toy_pairs(6))
        assert (found.accuracy, found.margin) == (0.5, 0.0)

    def test_without_pairs_there_is_nothing_to_say(self, policy: Policy) -> None:
        found = agreed(policy, [])
        assert (found.accuracy, found.margin) == (None, None)

    def test_its_numbers_are_those_of_the_plain_computation(self, policy: Policy) -> None:
        pairs = toy_pairs(10)

        def logps(pair: TokenPair) -> tuple[float, float]:
            sums = (alone(policy.model, pair.prompt_ids, ids)[0].sum() for ids in (pair.chosen_ids, pair.rejected_ids))
            chosen, rejected = map(float, sums)
            return chosen, rejected

        def ranked(found: list[tuple[float, float]]) -> float:
            return statistics.fmean(
                c / len(pair.chosen_ids) > r / len(pair.rejected_ids) for (c, r), pair in zip(found, pairs, strict=True)
            )

        with torch.no_grad():
            before = [logps(pair) for pair in pairs]
            with policy.acting():
                after = [logps(pair) for pair in pairs]
        shifts = [(c - c0, r - r0) for (c, r), (c0, r0) in zip(after, before, strict=True)]
        found = agreed(policy, pairs, budget=100)
        assert found.pairs == 10
        assert found.accuracy == statistics.fmean(c > r for c, r in shifts)
        assert found.margin == pytest.approx(statistics.fmean(c - r for c, r in shifts), abs=1e-5)
        assert found.chosen_shift == pytest.approx(statistics.fmean(c for c, _ in shifts), abs=1e-5)
        assert found.rejected_shift == pytest.approx(statistics.fmean(r for _, r in shifts), abs=1e-5)
        tokens = sum(len(pair.chosen_ids) for pair in pairs)
        assert found.chosen_token_shift == pytest.approx(sum(c for c, _ in shifts) / tokens, abs=1e-5)
        assert (found.ranking_before, found.ranking_after) == (ranked(before), ranked(after))
        assert 0 < ranked(before) < 1

    def test_exchanged_sides_give_the_rest_to_one(self, policy: Policy) -> None:
        here = agreed(policy, toy_pairs(10))
        there = agreed(policy, mirrored(toy_pairs(10)))
        assert here.accuracy is not None and there.accuracy == pytest.approx(1 - here.accuracy)
        assert here.margin is not None and there.margin == pytest.approx(-here.margin, abs=1e-5)


class TestDrift:
    def test_an_adapter_of_zeros_has_not_drifted(self, base: Base, model_dir: Path, tmp_path: Path) -> None:
        Policy.from_base(base, rank=4, alpha=8, seed=0).save(tmp_path / "v1")
        found = drifted(model_dir, tmp_path / "v1")
        assert found.kl_mean == pytest.approx(0, abs=1e-4)
        assert found.kl_max == pytest.approx(0, abs=1e-3)

    def test_the_kl_of_one_token_is_that_of_the_two_distributions(self, policy: Policy) -> None:
        """Closed form for answers of one token; 64 samples of the log ratio lie within five of their errors."""
        prompt = torch.tensor([policy.base.prompt_ids(QUESTION)])
        with torch.no_grad():
            there = torch.log_softmax(policy.model(input_ids=prompt).logits[0, -1].double(), -1)
            with policy.acting():
                here = torch.log_softmax(policy.model(input_ids=prompt).logits[0, -1].double(), -1)
        kl = float((here.exp() * (here - there)).sum())
        variance = float((here.exp() * (here - there - kl) ** 2).sum())
        found = drift_of(policy.base, policy.adapter(), None, [QUESTION], max_new_tokens=1, seed=0)
        assert kl > 0.01
        assert found.kl_mean == pytest.approx(kl, abs=5 * math.sqrt(variance / 64))
        assert found.kl_max >= found.kl_median
        assert found.mean_length == 1.0

    def test_the_kl_of_whole_answers_is_the_mean_log_ratio_of_those_it_sampled(self, policy: Policy) -> None:
        """Sampled once more with the same seeds, and scored one by one without packing, cache or merged weights."""
        reference = random_lora(policy.model, seed=3, rank=2)
        sampler = Sampler(policy.base)
        sampler.load("policy", policy.adapter())
        prompt, plain = policy.base.encode(QUESTION), Sampling(temperature=1.0, top_p=1.0, max_new_tokens=6)
        rows = sampler.generate([Request(prompt, "policy", 5 + i, plain) for i in range(64)])
        ratios = []
        for row in rows:
            ids = tuple(row.token_ids)
            with torch.no_grad():
                with policy.acting():
                    here = float(alone(policy.model, prompt, ids)[0].sum())
                with LoraStack(policy.model).acting(Lora(reference)):
                    ratios.append(here - float(alone(policy.model, prompt, ids)[0].sum()))
        found = drift_of(policy.base, policy.adapter(), reference, [QUESTION], max_new_tokens=6, seed=5)
        assert found.kl_mean == pytest.approx(statistics.fmean(ratios), abs=1e-3)
        assert found.kl_median == pytest.approx(statistics.median(ratios), abs=1e-3)
        assert found.kl_max == pytest.approx(max(ratios), abs=1e-3)
        words = [policy.base.text(row.token_ids).split() for row in rows]
        once, pairs = [w for text in words for w in text], [p for text in words for p in pairwise(text)]
        assert found.distinct_1 == pytest.approx(len(set(once)) / len(once))
        assert found.distinct_2 == pytest.approx(len(set(pairs)) / len(pairs))

    def test_a_prompt_that_is_longer_than_the_context_is_cut_from_the_left(self, policy: Policy) -> None:
        found = drift_of(policy.base, policy.adapter(), None, [ask("egg " * 600)], max_new_tokens=6, seed=0)
        assert found.mean_length > 1

    def test_a_policy_has_not_drifted_from_itself_as_the_reference(self, policy: Policy) -> None:
        found = drift_of(policy.base, policy.adapter(), policy.adapter(), [QUESTION], max_new_tokens=6, seed=0)
        assert found.kl_max == pytest.approx(0, abs=1e-3)

    def test_it_is_a_function_of_its_seed(self, model_dir: Path, tmp_path: Path) -> None:
        save_adapter(model_dir, tmp_path / "v1", seed=1)
        once = drifted(model_dir, tmp_path / "v1", seed=3)
        assert drifted(model_dir, tmp_path / "v1", seed=3) == once
        assert drifted(model_dir, tmp_path / "v1", seed=4) != once

    def test_the_share_that_ended_by_itself_is_told(self, model_dir: Path, tmp_path: Path) -> None:
        save_adapter(model_dir, tmp_path / "v1", seed=1)
        ends = frozenset(random.Random(0).sample(range(262), 131))  # about every second token ends an answer
        found = drifted(model_dir, tmp_path / "v1", eos_ids=ends)
        assert 0.9 < found.eos_rate <= 1  # 1 - 2**-6 is expected
        assert 1 < found.mean_length < 3  # 2 is expected


class TestDivergence:
    RATIOS = (3.0, -1.0, 8.0, 2.0)
    LENGTHS = (30, 4, 40, 20)

    def test_a_token_is_counted_over_all_answers_and_a_short_answer_counts_as_longer(self) -> None:
        found = divergence(self.RATIOS, self.LENGTHS)
        assert found.token_mean == pytest.approx(12 / 94)
        assert found.token_max == pytest.approx(8 / 40)
        assert found.token_median == pytest.approx(statistics.median([0.1, -1 / 16, 0.2, 0.1]))

    def test_two_means_of_the_same_differ_by_less_nineteen_times_in_twenty(self) -> None:
        source = random.Random(0)
        within = 0
        for _ in range(500):
            one, two = ([source.gauss(0.5, 1) for _ in range(64)] for _ in range(2))
            within += abs(statistics.fmean(one) - statistics.fmean(two)) < (by_seeds_alone(one) or 0)
        assert 0.92 <= within / 500 <= 0.98
