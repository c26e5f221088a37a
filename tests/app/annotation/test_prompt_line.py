"""Whose turn it is among prompts."""

from pathlib import Path

import pytest

from app.annotation.prompt_line import PromptLine
from app.annotation.set_aside import SetAside
from data.records import Prompt, Split
from data.store import PreferenceStore
from tests.data.scene import completion


@pytest.fixture
def aside() -> SetAside:
    return SetAside()


@pytest.fixture
def line(store: PreferenceStore, aside: SetAside) -> PromptLine:
    store.prompts.add([[{"role": "user", "content": f"question {i}"}] for i in range(4)], source="test")
    return PromptLine(store.prompts, aside)


async def all_of(line: PromptLine) -> list[Prompt]:
    """Prompts that can be given out at once."""
    found = []
    while (prompt := await line.next()) is not None:
        found.append(prompt)
    return found


async def test_each_is_given_out_once_until_it_is_released(line: PromptLine) -> None:
    given = await all_of(line)
    assert len({prompt.id for prompt in given}) == 4
    line.release(given[2])
    assert await line.next() == given[2]


async def test_one_that_is_set_aside_never_has_a_turn_again(line: PromptLine, aside: SetAside) -> None:
    [first, *others] = await all_of(line)
    aside.add(first, "too long")
    for prompt in (first, *others):
        line.release(prompt)
    assert await all_of(line) == others
    assert await line.length() == 3


async def test_one_that_gave_nothing_comes_back_when_as_many_others_have_had_a_turn(line: PromptLine) -> None:
    """Though it has the fewest pairs of all, and the others are there again and again."""
    first = await line.next()
    assert first is not None
    await line.to_the_end(first)
    line.release(first)
    turns = []
    for _ in range(4):
        prompt = await line.next()
        assert prompt is not None
        turns.append(prompt)
        line.release(prompt)
    assert first not in turns[:3]
    assert turns[3] == first


async def test_where_no_other_is_left_it_comes_back_at_once(line: PromptLine) -> None:
    [first, *_] = await all_of(line)
    await line.to_the_end(first)
    line.release(first)
    assert await line.next() == first


async def pairs_of(store: PreferenceStore, count: int) -> dict[Split, int]:
    """What all pairs are of, when so many more are made, each of the prompt whose turn it is."""
    store.versions.ensure_base("random", "0")
    line = PromptLine(store.prompts, SetAside())
    for _ in range(count):
        prompt = await line.next()
        assert prompt is not None
        store.pairs.add(prompt.id, completion("one"), completion("other"))
        line.release(prompt)
    return store.prompts.first_pairs(1000)


async def test_a_quarter_of_the_first_pairs_is_held_out_and_then_the_share_of_the_prompts(tmp_path: Path) -> None:
    with PreferenceStore.open(tmp_path / "p.db", heldout_share=0.15) as store:
        store.prompts.add([[{"role": "user", "content": f"question {i}"}] for i in range(400)], source="test")
        assert (await pairs_of(store, 16))[Split.HELDOUT] == 4
        assert (await pairs_of(store, 32))[Split.HELDOUT] == 12
        heldout = store.prompts.count(Split.HELDOUT)
        assert (await pairs_of(store, 352))[Split.HELDOUT] == heldout  # each prompt once


async def test_where_no_prompt_is_held_out_all_train(tmp_path: Path) -> None:
    with PreferenceStore.open(tmp_path / "p.db", heldout_share=0.0) as store:
        store.prompts.add([[{"role": "user", "content": f"question {i}"}] for i in range(8)], source="test")
        assert await pairs_of(store, 8) == {Split.TRAIN: 8, Split.HELDOUT: 0}
