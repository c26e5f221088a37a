"""Tokenising, padding and grouping, by properties."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from tests.trainer.scene import ask
from trainer.base import Base
from trainer.batching import TokenPair, epoch_batches, micro_batches, pad, tokenize
from trainer.round_dir import SnapshotPair

CPU = torch.device("cpu")
ids = st.lists(st.integers(0, 99), min_size=1, max_size=9).map(tuple)
pairs = st.lists(st.builds(TokenPair, ids, ids, ids), max_size=12)


@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=6))
def test_padding_loses_and_adds_no_token(sequences: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    batch = pad(sequences, device=CPU)
    for row, (prompt, completion) in enumerate(sequences):
        real = batch.attention_mask[row].bool()
        assert batch.input_ids[row][real].tolist() == [*prompt, *completion]
        assert batch.position_ids[row][real].tolist() == list(range(len(prompt) + len(completion)))
        last = batch.input_ids[row, -batch.completion_mask.shape[1] :]
        assert last[batch.completion_mask[row]].tolist() == list(completion)


@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=6))
def test_padding_is_no_wider_than_the_longest(sequences: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    batch = pad(sequences, device=CPU)
    assert batch.input_ids.shape == (len(sequences), max(len(p) + len(c) for p, c in sequences))
    assert batch.completion_mask.shape[1] == max(len(c) for _, c in sequences)


@given(pairs, st.integers(1, 200))
def test_micro_batches_hold_every_pair_once(batch: list[TokenPair], budget: int) -> None:
    groups = list(micro_batches(batch, token_budget=budget))
    everything = [pair for group in groups for pair in group]
    assert sorted(everything, key=repr) == sorted(batch, key=repr)
    assert all(groups)


@given(pairs, st.integers(1, 200))
def test_a_micro_batch_stays_within_the_budget_unless_it_is_one_pair(batch: list[TokenPair], budget: int) -> None:
    for group in micro_batches(batch, token_budget=budget):
        sequences = [(p.prompt_ids, ids) for p in group for ids in (p.chosen_ids, p.rejected_ids)]
        assert len(group) == 1 or pad(sequences, device=CPU).input_ids.numel() <= budget


@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_holds_every_index_once_in_full_batches(count: int, size: int, seed: int, epoch: int) -> None:
    batches = epoch_batches(count, batch_size=size, seed=seed, epoch=epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(count))
    assert all(len(batch) == size for batch in batches[:-1])


@given(st.integers(0, 1000), st.integers(0, 50))
def test_an_epoch_is_a_function_of_seed_and_number(seed: int, epoch: int) -> None:
    first = epoch_batches(40, batch_size=8, seed=seed, epoch=epoch)
    assert epoch_batches(40, batch_size=8, seed=seed, epoch=epoch) == first
    assert epoch_batches(40, batch_size=8, seed=seed, epoch=epoch + 1) != first
    assert epoch_batches(40, batch_size=8, seed=seed + 1, epoch=epoch) != first


@pytest.fixture
def pair() -> SnapshotPair:
    return SnapshotPair(41, ask("why?"), (9, 8, 2), (7, 2), 1.0)


def test_completions_are_kept_as_they_were_sampled(base: Base, pair: SnapshotPair) -> None:
    (tokens,) = tokenize(base, [pair])
    assert (tokens.chosen_ids, tokens.rejected_ids) == ((9, 8, 2), (7, 2))
    assert tokens.prompt_ids == base.prompt_ids(pair.prompt)
    assert tokens.longest == len(tokens.prompt_ids) + 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chosen_ids": ()}, "pair 41: a completion has no tokens"),
        ({"rejected_ids": ()}, "pair 41: a completion has no tokens"),
        ({"rejected_ids": (5, 100_000)}, "pair 41: its token ids are not of .*another model sampled it"),
        ({"chosen_ids": (5,) * 510}, "reads only 512; shorten the prompt"),
    ],
)
def test_a_pair_that_cannot_train_is_refused_in_words(
    base: Base, pair: SnapshotPair, change: dict[str, tuple[int, ...]], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        tokenize(base, [replace(pair, **change)])
