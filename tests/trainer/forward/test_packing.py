"""The layout of packed groups, and how items are split to fit."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.forward.packing import Group, micro_batches, pack

CPU = torch.device("cpu")
ids = st.lists(st.integers(0, 99), min_size=1, max_size=9).map(tuple)
groups = st.lists(st.builds(Group, ids, st.lists(ids, min_size=1, max_size=3).map(tuple)), min_size=1, max_size=5)
sizes = st.lists(st.integers(1, 40), max_size=40)


@given(groups)
def test_every_completion_token_is_predicted_from_the_token_before_it(some: list[Group]) -> None:
    packing = pack(some, device=CPU)
    row = packing.input_ids[0].tolist()
    place = 0
    for group in some:
        for completion in group.completions:
            before = (group.prompt_ids[-1], *completion[:-1])
            for previous, token in zip(before, completion, strict=True):
                assert row[packing.predicting[place]] == previous
                assert packing.targets[place] == token
                place += 1
    assert place == len(packing.targets) == len(packing.predicting) == len(packing.owner)


@given(groups)
def test_positions_go_on_from_the_prompt_in_every_completion(some: list[Group]) -> None:
    expected: list[int] = []
    for group in some:
        length = len(group.prompt_ids)
        expected += range(length)
        for completion in group.completions:
            expected += range(length, length + len(completion))
    assert pack(some, device=CPU).position_ids[0].tolist() == expected


@given(groups)
def test_nothing_is_padded(some: list[Group]) -> None:
    assert pack(some, device=CPU).input_ids.shape == (1, sum(group.tokens for group in some))


@given(groups)
def test_ends_are_the_last_tokens_and_owners_count_the_completions(some: list[Group]) -> None:
    packing = pack(some, device=CPU)
    completions = [completion for group in some for completion in group.completions]
    assert packing.input_ids[0][packing.ends].tolist() == [completion[-1] for completion in completions]
    assert torch.bincount(packing.owner).tolist() == [len(completion) for completion in completions]


@pytest.mark.parametrize("group", [Group((), ((1,),)), Group((1,), ((2,), ()))])
def test_what_is_empty_is_refused(group: Group) -> None:
    with pytest.raises(ValueError, match="empty"):
        pack([group], device=CPU)


def whole(size: int) -> int:
    return size


@given(sizes, st.integers(1, 100))
def test_parts_hold_every_item_once(items: list[int], budget: int) -> None:
    parts = micro_batches(items, whole, budget=budget)
    assert sorted(item for part in parts for item in part) == sorted(items)
    assert all(parts)


@given(sizes, st.integers(1, 100))
def test_a_part_keeps_to_the_budget_unless_it_is_one_item(items: list[int], budget: int) -> None:
    for part in micro_batches(items, whole, budget=budget):
        assert len(part) == 1 or sum(part) <= budget


@given(st.lists(st.integers(1, 10), min_size=20, max_size=60))
def test_parts_are_about_equally_large(items: list[int]) -> None:
    loads = [sum(part) for part in micro_batches(items, whole, budget=40)]
    assert max(loads) - min(loads) <= max(items)


def test_what_fits_is_one_part() -> None:
    assert len(micro_batches([3, 4, 5], whole, budget=12)) == 1
