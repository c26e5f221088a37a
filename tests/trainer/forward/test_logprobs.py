"""Completion log-probabilities, packed and plain, against each sequence alone with full logits."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from data.errors import ModelError
from tests.trainer.plainly import all_alone, gradient, grown
from trainer.forward.logprobs import Forward, Packed, Plain, _TiledLogps, completion_logps, pad
from trainer.forward.packing import Group
from trainer.model.base import Base
from trainer.model.lora import LoraStack

ids = st.lists(st.integers(0, 60), min_size=1, max_size=12).map(tuple)
beginnings = st.one_of(st.just(()), ids)  # that all completions of a prompt share
completions = st.builds(
    lambda beginning, rest: tuple(beginning + completion for completion in rest),
    beginnings,
    st.lists(ids, min_size=1, max_size=3),
)
groups = st.lists(st.builds(Group, ids, completions), min_size=1, max_size=4)
FORWARDS = [Packed(), Plain()]


@pytest.mark.parametrize("forward", FORWARDS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some=groups)
def test_tokens_and_states_are_those_of_each_sequence_alone(base: Base, forward: Forward, some: list[Group]) -> None:
    with torch.no_grad():
        logps, states = forward.token_logps_and_states(base.model, some)
        ends = forward.end_states(base.model, some)
        expected_logps, expected_states, expected_ends = all_alone(base.model, some)
    torch.testing.assert_close(logps, expected_logps, rtol=0, atol=1e-5)
    torch.testing.assert_close(states, expected_states, rtol=0, atol=1e-5)
    torch.testing.assert_close(ends, expected_ends, rtol=0, atol=1e-5)


@pytest.mark.parametrize("forward", FORWARDS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some=groups, seed=st.integers(0, 99))
def test_gradients_are_those_of_each_sequence_alone(base: Base, forward: Forward, some: list[Group], seed: int) -> None:
    lora, stack = grown(base.model), LoraStack(base.model)
    with stack.acting(lora):
        logps = forward.token_logps(base.model, some)
        expected = all_alone(base.model, some)[0]
    weights = torch.randn(len(logps), generator=torch.Generator().manual_seed(seed))
    ours, theirs = gradient((logps * weights).sum(), lora), gradient((expected * weights).sum(), lora)
    assert (ours - theirs).norm() <= 1e-5 * theirs.norm() + 1e-7


@pytest.mark.parametrize("forward", FORWARDS)
@pytest.mark.parametrize(
    "group",
    [
        Group((5, 6, 7), ((8, 9, 10), (8, 9, 11))),  # equal beginnings
        Group((5, 6, 7), ((8, 9), (8, 9))),  # equal altogether
        Group((5,), ((8,), (9,))),  # one token everywhere
        Group((5, 6, 7), ((5, 6, 7, 5, 6, 7), (7,))),  # a completion that repeats the prompt
    ],
)
def test_what_is_alike_does_not_mix(base: Base, forward: Forward, group: Group) -> None:
    with torch.no_grad():
        got = forward.token_logps(base.model, [group])
        torch.testing.assert_close(got, all_alone(base.model, [group])[0], rtol=0, atol=1e-5)


def test_bfloat16_is_as_near_as_it_can_be(base: Base) -> None:
    some = [Group(tuple(range(6, 30)), (tuple(range(40, 60)), (9, 2)))]
    whole = Packed().token_logps(base.model, some)
    torch.nn.Module.to(base.model, torch.bfloat16)
    lora, stack = grown(base.model), LoraStack(base.model)
    with stack.acting(lora):
        logps = Packed().token_logps(base.model, some)
    assert logps.dtype == torch.float32
    assert gradient(logps.sum(), lora).isfinite().all()
    bare = Packed().token_logps(base.model, some)
    assert (bare - whole).abs().max() < 0.1


def test_sums_are_in_float64_and_by_completion(base: Base) -> None:
    some = [Group((5, 6, 7), ((8, 9, 2), (4,))), Group((5,), ((10, 11),))]
    sums = completion_logps(Packed(), base.model, some)
    tokens = Packed().token_logps(base.model, some).double()
    assert sums.dtype == torch.float64
    torch.testing.assert_close(sums, torch.stack([tokens[:3].sum(), tokens[3:4].sum(), tokens[4:].sum()]))


class TestTiles:
    @pytest.mark.parametrize("tile", [1, 64, 1 << 20])
    @pytest.mark.parametrize("with_bias", [False, True])
    def test_any_tile_gives_log_softmax_and_its_gradient(
        self, monkeypatch: pytest.MonkeyPatch, tile: int, with_bias: bool
    ) -> None:
        monkeypatch.setattr("trainer.forward.logprobs.TILE", tile)
        torch.manual_seed(0)
        states, weight = torch.randn(9, 5, requires_grad=True), torch.randn(17, 5)
        bias = torch.randn(17) if with_bias else None
        targets, weights = torch.randint(17, (9,)), torch.randn(9)
        logps = _TiledLogps.apply(states, weight, bias, targets)
        logits = torch.nn.functional.linear(states, weight, bias)
        expected = torch.log_softmax(logits, -1).gather(1, targets[:, None])[:, 0]
        torch.testing.assert_close(logps, expected)
        (ours,) = torch.autograd.grad((logps * weights).sum(), states)
        (theirs,) = torch.autograd.grad((expected * weights).sum(), states)
        torch.testing.assert_close(ours, theirs)

    def test_in_bfloat16_sums_are_in_float32(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("trainer.forward.logprobs.TILE", 64)
        torch.manual_seed(0)
        states, weight = torch.randn(9, 32).bfloat16().requires_grad_(), torch.randn(17, 32).bfloat16()
        targets = torch.randint(17, (9,))
        logps = _TiledLogps.apply(states, weight, None, targets)
        expected = torch.log_softmax((states @ weight.T).float(), -1).gather(1, targets[:, None])[:, 0]
        assert logps.dtype == torch.float32
        torch.testing.assert_close(logps, expected)
        (ours,) = torch.autograd.grad(logps.sum(), states)
        (theirs,) = torch.autograd.grad(expected.sum(), states)
        assert ours.dtype == torch.bfloat16
        assert (ours - theirs).norm() / theirs.norm() < 0.01

    def test_logits_exist_for_one_tile_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[int] = []

        def linear(states: Tensor, *rest: Tensor) -> Tensor:
            seen.append(len(states))
            return nn.functional.linear(states, *rest)

        monkeypatch.setattr("trainer.forward.logprobs.TILE", 5000)
        monkeypatch.setattr("trainer.forward.logprobs.F", SimpleNamespace(linear=linear))
        _TiledLogps.apply(torch.randn(12, 5), torch.randn(1000, 5), None, torch.zeros(12, dtype=torch.long))
        assert seen == [5, 5, 2]

    def test_a_head_that_trains_is_refused(self) -> None:
        with pytest.raises(ModelError, match="must be frozen"):
            _TiledLogps.apply(torch.randn(1, 5), torch.randn(9, 5, requires_grad=True), None, torch.zeros(1).long())

    def test_nothing_the_size_of_the_vocabulary_is_kept(self) -> None:
        kept: list[int] = []

        def keep(tensor: Tensor) -> Tensor:
            kept.append(tensor.numel())
            return tensor

        states, weight = torch.randn(40, 5, requires_grad=True), torch.randn(1000, 5)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            _TiledLogps.apply(states, weight, None, torch.zeros(40, dtype=torch.long))
        assert kept and max(kept) <= states.numel()


@given(groups)
def test_padding_loses_and_adds_no_token(some: list[Group]) -> None:
    batch = pad(some, device=torch.device("cpu"))
    rows = [(group.prompt_ids, completion) for group in some for completion in group.completions]
    assert batch.input_ids.shape == (len(rows), max(len(p) + len(c) for p, c in rows))
    at = iter(zip(batch.rows.tolist(), batch.predicting.tolist(), batch.targets.tolist(), strict=True))
    for row, (prompt, completion) in enumerate(rows):
        ids = batch.input_ids[row].tolist()
        assert ids[: batch.ends[row] + 1] == [*prompt, *completion]
        assert not any(ids[batch.ends[row] + 1 :])
        for token in completion:
            where, column, target = next(at)
            assert (where, ids[column + 1]) == (row, target)
            assert target == token
    assert next(at, None) is None
