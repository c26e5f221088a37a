"""The sampling rule against transformers' own processors, over random logits."""

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from data.records import Sampling
from trainer.sampling.token_sampling import chances, draw, penalised

VOCABULARY = 300
SEEN = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=40)
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.floats(0.1, 3.0),
    top_p=st.one_of(st.just(1.0), st.floats(0.01, 1.0)),
    max_new_tokens=st.just(1),
    top_k=st.one_of(st.just(0), st.integers(1, VOCABULARY + 10)),
    repetition_penalty=st.one_of(st.just(1.0), st.floats(0.5, 3.0)),
)


def logits(rows: int, seed: int, spread: float = 3.0, size: int = VOCABULARY) -> Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(seed)) * spread


def by_transformers(row: Tensor, sampling: Sampling, seen: list[int]) -> Tensor:
    """Probabilities [V] in the order in which `generate` applies its processors."""
    processors = LogitsProcessorList()
    if sampling.repetition_penalty != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    processors.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        processors.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    return torch.softmax(processors(torch.LongTensor([seen]), row[None].clone())[0], -1)


def at_the_edge(row: Tensor, sampling: Sampling, seen: list[int]) -> bool:
    """Whether a token stands so near the edge of the nucleus that rounding decides."""
    scores = penalised(row[None], [sampling], [seen]).double() / sampling.temperature
    kept = scores.sort(descending=True).values[:, : sampling.top_k or VOCABULARY]
    tail = kept.softmax(-1).flip(-1).cumsum(-1)
    return bool((tail - (1 - sampling.top_p)).abs().min() < 1e-6)


@given(st.integers(0, 10**6), st.floats(0.1, 8.0), st.lists(st.tuples(SAMPLINGS, SEEN), min_size=1, max_size=5))
def test_chances_are_those_of_transformers_in_every_row(
    seed: int, spread: float, rows: list[tuple[Sampling, list[int]]]
) -> None:
    given_logits = logits(len(rows), seed, spread)
    assume(not any(at_the_edge(row, *how) for row, how in zip(given_logits, rows, strict=True)))
    samplings, seen = [how[0] for how in rows], [how[1] for how in rows]
    got = chances(penalised(given_logits, samplings, seen), samplings)
    got = got / got.sum(-1, keepdim=True)
    for i, (sampling, ids) in enumerate(rows):
        expected = by_transformers(given_logits[i], sampling, ids)
        assert ((got[i] > 0) | (expected < 1e-30)).equal((expected > 0) | (expected < 1e-30))
        torch.testing.assert_close(got[i], expected, rtol=1e-4, atol=1e-7)


@given(st.integers(0, 10**6), st.lists(SAMPLINGS, min_size=2, max_size=5), st.floats(0, 1, exclude_max=True))
def test_a_rows_token_does_not_depend_on_its_neighbours(seed: int, samplings: list[Sampling], uniform: float) -> None:
    rows = logits(len(samplings), seed)
    together = draw(rows, samplings, [[1]] * len(samplings), [uniform] * len(samplings))
    alone = [draw(rows[i : i + 1], [sampling], [[1]], [uniform])[0] for i, sampling in enumerate(samplings)]
    assert together == alone


def test_a_draw_follows_the_chances() -> None:
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=20)
    row = logits(1, 0)
    count = 4000
    drawn = Counter(
        draw(row.expand(count, -1), [sampling] * count, [[]] * count, [(i + 0.5) / count for i in range(count)])
    )
    expected = by_transformers(row[0], sampling, [0])
    assert set(drawn) == set(expected.nonzero()[:, 0].tolist())
    for token, times in drawn.items():  # an even grid of numbers meets every chance to within one point
        assert abs(times / count - float(expected[token])) <= 1 / count


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_the_ends_of_the_unit_interval_draw_tokens_that_have_a_chance(uniform: float) -> None:
    for seed in range(50):
        row = logits(1, seed, spread=10.0)
        sampling = Sampling(temperature=1.0, top_p=0.9, top_k=5)
        (token,) = draw(row, [sampling], [[]], [uniform])
        assert by_transformers(row[0], sampling, [0])[token] > 0


def test_a_flat_distribution_keeps_as_many_as_its_nucleus_holds() -> None:
    flat = torch.zeros(1, 1000)
    kept = chances(flat, [Sampling(temperature=1.0, top_p=0.25)])[0].nonzero()[:, 0]
    assert kept.tolist() == list(range(250))


def test_ties_with_the_kth_are_kept_as_transformers_keeps_them() -> None:
    row = torch.tensor([[3.0, 1.0, 2.0, 2.0, 0.0]])
    sampling = Sampling(temperature=1.0, top_p=1.0, top_k=2)
    assert chances(row, [sampling])[0].nonzero()[:, 0].tolist() == [0, 2, 3]
    assert by_transformers(row[0], sampling, [0]).nonzero()[:, 0].tolist() == [0, 2, 3]


def test_the_likeliest_survives_any_top_p_and_a_top_k_beyond_the_vocabulary_is_none() -> None:
    row = logits(1, 3)
    best = int(row.argmax())
    assert chances(row, [Sampling(top_p=1e-9)])[0].nonzero()[:, 0].tolist() == [best]
    wide = Sampling(temperature=1.0, top_p=1.0, top_k=10**6)
    torch.testing.assert_close(chances(row, [wide]), row.softmax(-1))


def test_greedy_rows_take_the_likeliest_after_the_penalty() -> None:
    row = torch.tensor([[2.0, 1.9, -1.0]])
    greedy = Sampling(temperature=0.0, repetition_penalty=1.1)
    assert draw(row, [greedy], [[0, 0]], [0.5]) == [1]  # an id seen twice is penalised once: 2 / 1.1 < 1.9
    assert draw(row, [greedy], [[1]], [0.5]) == [0]


def test_a_penalty_leaves_the_logits_it_was_given() -> None:
    row = logits(1, 0)
    before = row.clone()
    draw(row, [Sampling(repetition_penalty=2.0)], [[5, 6]], [0.3])
    assert torch.equal(row, before)


@pytest.mark.parametrize(
    "wrong",
    [
        {"top_k": -1},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": -1.0},
        {"repetition_penalty": math.inf},
        {"repetition_penalty": math.nan},
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"max_new_tokens": 0},
    ],
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)
