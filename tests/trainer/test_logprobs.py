"""Completion log-probabilities against the plain computation: each sequence alone, full logits."""

import random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from tests.trainer.scene import random_ids, toy_pairs
from trainer.base import Base
from trainer.logprobs import completion_logps, pair_logps, token_logps
from trainer.policy import Policy

Ids = tuple[int, ...]
ids = st.lists(st.integers(0, 250), min_size=1, max_size=12).map(tuple)


def plainly(model: PreTrainedModel, prompt: Ids, completion: Ids) -> Tensor:
    """Log-probability of each completion token, nothing padded, nothing left out."""
    logits = model(input_ids=torch.tensor([prompt + completion])).logits[0]
    steps = range(len(prompt) - 1, len(prompt) + len(completion) - 1)
    return torch.stack([torch.log_softmax(logits[t], -1)[(prompt + completion)[t + 1]] for t in steps])


def grown(base: Base) -> Policy:
    """A policy away from its reference, so that A and B both have gradients."""
    policy = Policy(base, rank=4, alpha=8, seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    return policy


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=5))
def test_padding_changes_no_token(base: Base, sequences: list[tuple[Ids, Ids]]) -> None:
    with torch.no_grad():
        logps, mask = token_logps(base.model, sequences)
        for row, (prompt, completion) in enumerate(sequences):
            assert mask[row].sum() == len(completion)
            expected = plainly(base.model, prompt, completion)
            torch.testing.assert_close(logps[row][mask[row]], expected, rtol=0, atol=1e-5)
            assert not logps[row][~mask[row]].any()


def test_gradients_equal_those_of_the_plain_computation(base: Base) -> None:
    policy = grown(base)
    source = random.Random(3)
    sequences = [(random_ids(source, 2, 30), random_ids(source, 1, 20)) for _ in range(6)]
    weights = torch.randn(6, dtype=torch.float64)

    def gradient(logps: Tensor) -> Tensor:
        grads = torch.autograd.grad((logps * weights).sum(), policy.parameters)
        return torch.cat([grad.flatten() for grad in grads])

    got = gradient(completion_logps(policy.model, sequences))
    expected = gradient(torch.stack([plainly(policy.model, p, c).double().sum() for p, c in sequences]))
    assert expected.norm() > 0.01
    assert (got - expected).norm() / expected.norm() < 1e-5


def test_sums_are_in_float64_and_equal_the_tokens(base: Base) -> None:
    sequences = [((5, 6, 7), (8, 9, 2)), ((5,), (10, 11))]
    sums = completion_logps(base.model, sequences)
    assert sums.dtype == torch.float64
    for total, (prompt, completion) in zip(sums, sequences, strict=True):
        assert total.item() == pytest.approx(plainly(base.model, prompt, completion).double().sum().item(), abs=1e-5)


def test_the_prompt_counts_for_nothing_but_context(base: Base) -> None:
    """A completion of one token has the log-probability of that token alone, however long the prompt."""
    prompt = random_ids(random.Random(0), 40, 41)
    next_token = torch.log_softmax(base.model(input_ids=torch.tensor([prompt])).logits[0, -1], -1)
    got = completion_logps(base.model, [(prompt, (9,)), (prompt, (10,))])
    torch.testing.assert_close(got.float(), next_token[[9, 10]], rtol=0, atol=1e-5)


def test_pairs_come_back_as_chosen_and_rejected_in_order(base: Base) -> None:
    pairs = toy_pairs(5)
    chosen, rejected = pair_logps(base.model, pairs)
    for i, pair in enumerate(pairs):
        assert chosen[i].item() == pytest.approx(
            plainly(base.model, pair.prompt_ids, pair.chosen_ids).sum().item(), abs=1e-5
        )
        assert rejected[i].item() == pytest.approx(
            plainly(base.model, pair.prompt_ids, pair.rejected_ids).sum().item(), abs=1e-5
        )
