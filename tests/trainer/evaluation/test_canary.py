"""What proves an adapter where it serves: that it is that adapter, the whole of it, on that base."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.errors import AdapterError
from tests.models import save_adapter
from tests.trainer.plainly import alone
from tests.trainer.scene import ask, random_lora
from trainer.evaluation.canary import CanaryAnswer, canary_prompt, make_canary, verify
from trainer.forward.logprobs import Packed
from trainer.interface.manifest import Canary
from trainer.interface.model_settings import PromptFormat
from trainer.model.adapter import Adapter, LoraWeights, read_adapter
from trainer.model.base import Base, load_base
from trainer.model.policy import Policy
from trainer.sampling.sampler import Sampler

QUESTION = ask("how do I boil an egg?")
NOTED = Canary(prompt=QUESTION, token_ids=(7, 8), logprobs=(-1.0, -3.0), base_logprobs=(-2.0, -2.0))


@torch.no_grad()
def moved(policy: Policy, answer: CanaryAnswer) -> float:
    """How far the policy moves an answer from the base, by transformers' own forward pass."""
    prompt = policy.base.encode(answer.prompt)
    base = alone(policy.model, prompt, answer.token_ids)[0]
    with policy.acting():
        return float((alone(policy.model, prompt, answer.token_ids)[0] - base).norm())


def scale(adapter: Adapter, factor: float) -> Adapter:
    return Adapter({name: LoraWeights(one.down, one.up, one.scaling * factor) for name, one in adapter.layers.items()})


def served(base: Base, adapter: Adapter | None, canary: Canary) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What a sampler says of a canary with an adapter and without."""
    sampler = Sampler(base, max_rank=8)
    if adapter is not None:
        sampler.load("v1", adapter)
    prompt = base.prompt_ids(canary.prompt)
    with_it = sampler.score(prompt, canary.token_ids, None if adapter is None else "v1")
    return with_it, sampler.score(prompt, canary.token_ids, None)


def check(base: Base, adapter: Adapter | None, canary: Canary) -> None:
    here, here_base = served(base, adapter, canary)
    verify(canary, served=here, served_base=here_base)


def test_a_canary_is_asked_as_it_was_in_training_however_the_model_is_asked_now(policy: Policy) -> None:
    canary = make_canary(policy, Packed(), [CanaryAnswer(QUESTION, (7, 8))])
    changed = policy.base.under(PromptFormat(template="Q: {{ messages[0].content }}"))
    assert canary_prompt(canary, changed) == policy.base.encode(QUESTION) != changed.encode(QUESTION)


def test_a_canary_of_an_older_prefloop_is_asked_as_models_were_then(base: Base) -> None:
    former = PromptFormat(template="Q: {{ messages[0].content }}")
    assert canary_prompt(NOTED, replace(base, former=former)) == base.under(former).encode(QUESTION)


class TestMaking:
    def test_it_is_the_answer_that_was_moved_most(self, policy: Policy) -> None:
        answers = [CanaryAnswer(ask(f"question {i}"), (20 + i, 40 + 3 * i, 90, 2)) for i in range(6)]
        canary = make_canary(policy, Packed(), answers)
        found = max(answers, key=lambda answer: moved(policy, answer))
        assert (canary.prompt, canary.token_ids) == (found.prompt, found.token_ids)

    def test_a_long_answer_is_cut(self, policy: Policy) -> None:
        canary = make_canary(policy, Packed(), [CanaryAnswer(QUESTION, tuple(range(10, 200)))])
        assert canary.token_ids == tuple(range(10, 74))

    def test_a_prompt_that_leaves_no_room_is_passed_over(self, policy: Policy) -> None:
        answers = [CanaryAnswer(ask("egg " * 600), (7, 8, 2)), CanaryAnswer(QUESTION, (7, 8, 2))]
        assert make_canary(policy, Packed(), answers).prompt == QUESTION

    def test_where_none_leaves_room_the_answer_stands_to_another_question(self, policy: Policy) -> None:
        canary = make_canary(policy, Packed(), [CanaryAnswer(ask("egg " * 600), (7, 8, 2))])
        assert canary.token_ids == (7, 8, 2)
        policy.base.prompt_ids(canary.prompt, room=3)


class TestServed:
    @pytest.fixture
    def canary(self, model_dir: Path, tmp_path: Path) -> Canary:
        return save_adapter(model_dir, tmp_path / "v1", seed=1).canary

    @pytest.fixture
    def adapter(self, canary: Canary, loaded: Base, tmp_path: Path) -> Adapter:
        return read_adapter(tmp_path / "v1", loaded.model, max_rank=8)

    def test_the_adapter_is_proved(self, base: Base, adapter: Adapter, canary: Canary) -> None:
        check(base, adapter, canary)

    def test_the_adapter_is_proved_in_bfloat16(self, model_dir: Path, canary: Canary, adapter: Adapter) -> None:
        base = load_base(str(model_dir))
        torch.nn.Module.to(base.model, torch.bfloat16)
        policy = Policy.from_version(base, adapter)
        noted = make_canary(policy, Packed(), [CanaryAnswer(canary.prompt, canary.token_ids)])
        check(base, adapter, noted)

    def test_the_base_in_its_place_is_found_out(self, base: Base, canary: Canary) -> None:
        with pytest.raises(AdapterError, match="does not answer as the policy that was trained"):
            check(base, None, canary)

    def test_the_base_in_the_place_of_a_weak_adapter_is_found_out_in_bfloat16(
        self, model_dir: Path, adapter: Adapter
    ) -> None:
        """Rounding alone is larger than its whole effect here."""
        base = load_base(str(model_dir))
        torch.nn.Module.to(base.model, torch.bfloat16)
        policy = Policy.from_version(base, scale(adapter, 0.2))
        answers = [CanaryAnswer(ask(f"question {i}"), tuple(range(20 + i, 84 + i))) for i in range(8)]
        with pytest.raises(AdapterError, match="moves the answers 0% as far"):
            check(base, None, make_canary(policy, Packed(), answers))

    def test_another_adapter_is_found_out(self, base: Base, canary: Canary) -> None:
        with pytest.raises(AdapterError, match="does not answer as the policy that was trained"):
            check(base, random_lora(base.model, seed=2), canary)

    @pytest.mark.parametrize("factor", [0.5, 2.0])
    def test_one_at_the_wrong_scale_is_found_out(
        self, base: Base, adapter: Adapter, canary: Canary, factor: float
    ) -> None:
        with pytest.raises(AdapterError, match="does not answer as the policy that was trained"):
            check(base, scale(adapter, factor), canary)

    def test_one_without_effect_is_refused(self) -> None:
        idle = NOTED.model_copy(update={"logprobs": NOTED.base_logprobs})
        with pytest.raises(AdapterError, match="exactly as the base model"):
            verify(idle, served=(-2.0, -2.0), served_base=(-2.0, -2.0))

    def test_another_base_is_found_out(self) -> None:
        with pytest.raises(AdapterError, match=r"the base model answers otherwise .* 0\.500 nats a token apart"):
            verify(NOTED, served=(-1.0, -3.0), served_base=(-2.5, -1.5))

    def test_more_rounding_of_the_base_allows_more_of_the_adapter(self) -> None:
        weak = NOTED.model_copy(update={"logprobs": (-1.8, -2.2)})
        off = (-1.75, -2.25)
        with pytest.raises(AdapterError, match=r"0\.050 nats a token apart"):
            verify(weak, served=off, served_base=(-2.001, -2.001))
        verify(weak, served=off, served_base=(-2.02, -2.02))

    def test_an_adapter_that_moves_much_may_be_off_by_a_tenth_of_it(self) -> None:
        verify(NOTED, served=(-1.09, -3.09), served_base=(-2.0, -2.0))
        with pytest.raises(AdapterError, match=r"0\.110 nats a token apart"):
            verify(NOTED, served=(-1.11, -3.11), served_base=(-2.0, -2.0))

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_what_is_not_finite_is_refused(self, bad: float) -> None:
        with pytest.raises(AdapterError):
            verify(NOTED, served=(bad, -3.0), served_base=(-2.0, -2.0))
        with pytest.raises(AdapterError):
            verify(NOTED, served=(-1.0, -3.0), served_base=(bad, -2.0))
