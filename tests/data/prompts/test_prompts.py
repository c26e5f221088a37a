from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InputError, NotFoundError
from data.records import Message, Split
from tests.data.scene import Scene, completion

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def test_a_conversation_is_kept_once(scene: Scene) -> None:
    prompts = scene.store.prompts
    assert prompts.add([user("a"), user("b"), user("a")], source="file", license="CC0") == (2, 1)
    assert prompts.add([user("b"), user("c")], source="file") == (1, 1)
    assert prompts.count() == 3


def test_a_prompt_comes_back_as_it_was(scene: Scene) -> None:
    conversation: list[Message] = [
        {"role": "system", "content": "Be brief.\u2028"},
        {"role": "user", "content": "你好 🙂\0"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": " again\n"},
    ]
    scene.store.prompts.add([conversation], source="file", license="CC0")
    prompt = scene.store.prompts.next()
    assert prompt is not None
    assert prompt.messages == tuple(conversation)
    assert (prompt.source, prompt.license, prompt.created_at) == ("file", "CC0", scene.clock.now)
    assert scene.store.prompts.by_id(prompt.id) == prompt


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts)
def test_any_text_comes_back_as_it_was(scene: Scene, text: str) -> None:
    scene.store.prompts.add([user(text)], source="hypothesis")
    kept = scene.store.prompts.sample(None, 10_000, 0)
    assert text in {prompt.messages[0]["content"] for prompt in kept}


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ([], "without a turn"),
        ([{"role": "tool", "content": "x"}], "role 'tool'"),
        ([{"role": "user", "content": " \n"}], "without text"),
        ([{"role": "user", "content": None}], "without text"),
        ([{"role": "user", "content": "\ud800"}], "surrogate"),
        (["hello"], "object with role"),
        ([*user("x"), {"role": "assistant", "content": "y"}], "ends with a user turn"),
    ],
)
def test_a_bad_conversation_is_named_and_nothing_is_added(scene: Scene, turns: Any, words: str) -> None:
    with pytest.raises(InputError, match=f"conversation 2: .*{words}"):
        scene.store.prompts.add([user("good"), turns], source="file")
    assert scene.store.prompts.count() == 0


def test_the_split_is_decided_by_content_in_about_the_share_asked_for(scene: Scene) -> None:
    scene.store.prompts.add([user(f"q{i}") for i in range(2000)], source="file")
    heldout = scene.store.prompts.count(Split.HELDOUT)
    assert 240 < heldout < 360
    assert heldout + scene.store.prompts.count(Split.TRAIN) == 2000


def test_the_first_prompts_walked_are_of_both_splits(scene: Scene) -> None:
    """The walk's order and the split both come from the hash, and must not be the same part of it."""
    scene.store.prompts.add([user(f"q{i}") for i in range(400)], source="file")
    walked: list[int] = []
    splits: Counter[Split] = Counter()
    while len(walked) < 100:
        prompt = scene.store.prompts.next(walked)
        assert prompt is not None
        walked.append(prompt.id)
        splits[prompt.split] += 1
    assert splits[Split.HELDOUT] in range(4, 30)


def test_a_sample_depends_on_the_seed_and_not_on_the_order_of_adding(scene: Scene) -> None:
    prompts = scene.store.prompts
    prompts.add([user(f"q{i}") for i in range(30)], source="file")
    once = [prompt.sha256 for prompt in prompts.sample(None, 10, seed=1)]
    assert once == [prompt.sha256 for prompt in prompts.sample(None, 10, seed=1)]
    assert once != [prompt.sha256 for prompt in prompts.sample(None, 10, seed=2)]
    assert len(set(once)) == 10


def test_a_sample_is_of_the_split_asked_for_and_at_most_all_of_it(scene: Scene) -> None:
    prompts = scene.store.prompts
    prompts.add([user(f"q{i}") for i in range(100)], source="file")
    drawn = prompts.sample(Split.HELDOUT, 1000, seed=1)
    assert len(drawn) == prompts.count(Split.HELDOUT) > 0
    assert {prompt.split for prompt in drawn} == {Split.HELDOUT}


def test_next_walks_the_whole_set_before_any_prompt_twice(scene: Scene) -> None:
    prompts = scene.store.prompts
    prompts.add([user(f"q{i}") for i in range(10)], source="file")
    walked = []
    for _ in range(20):
        prompt = prompts.next()
        assert prompt is not None
        walked.append(prompt.id)
        scene.store.pairs.add(prompt.id, completion(), completion("no"))
    assert len(set(walked[:10])) == 10
    assert walked[10:] == walked[:10]
    assert walked[:10] != sorted(walked[:10])


def test_next_passes_over_the_excluded(scene: Scene) -> None:
    scene.store.prompts.add([user("a"), user("b")], source="file")
    one = scene.store.prompts.next()
    assert one is not None
    other = scene.store.prompts.next({one.id})
    assert other is not None
    assert other.id != one.id
    assert scene.store.prompts.next([one.id, other.id]) is None


def test_no_prompt_is_next_in_an_empty_store(scene: Scene) -> None:
    assert scene.store.prompts.next() is None
    assert scene.store.prompts.sample(None, 3, 0) == []
    with pytest.raises(NotFoundError, match="no prompt 1"):
        scene.store.prompts.by_id(1)
