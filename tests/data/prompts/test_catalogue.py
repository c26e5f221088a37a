from typing import Any

import pytest

from data.prompts.catalogue import PromptQuery, SourceCount
from data.records import Choice, Split
from tests.data.scene import Scene


def add(scene: Scene, *texts: str, source: str = "test") -> list[int]:
    """Add prompts; their ids."""
    before = {line.id for line in scene.store.catalogue.page(PromptQuery(), limit=1000)}
    scene.store.prompts.add([[{"role": "user", "content": text}] for text in texts], source=source)
    return sorted({line.id for line in scene.store.catalogue.page(PromptQuery(), limit=1000)} - before)


def ids(scene: Scene, **query: Any) -> list[int]:
    return [line.id for line in scene.store.catalogue.page(PromptQuery(**query), limit=1000)]


def test_pages_follow_on_each_other_newest_first(scene: Scene) -> None:
    added = add(scene, *(f"question {n}" for n in range(7)))
    first = scene.store.catalogue.page(PromptQuery(), limit=4)
    rest = scene.store.catalogue.page(PromptQuery(), limit=4, before=first[-1].id)
    assert [line.id for line in (*first, *rest)] == added[::-1]


@pytest.mark.parametrize("words", ["blue", "BLUE", "the sky is blue?", "100%", '"so"', "蓝"])
def test_prompts_are_found_by_words(scene: Scene, words: str) -> None:
    [found] = add(scene, 'Why is it that the sky is blue? 100% "so" 蓝')
    add(scene, "How do I boil an egg? role user content 1009")
    assert ids(scene, words=words) == [found]


def test_what_is_no_text_is_not_searched(scene: Scene) -> None:
    add(scene, "Why?")
    assert ids(scene, words="role") == ids(scene, words="user") == []


def test_prompts_are_found_by_split_source_and_whether_they_are_retired(scene: Scene) -> None:
    texts = [f"question {n}" for n in range(40)]
    add(scene, *texts[:20], source="one.txt")
    late = add(scene, *texts[20:], source="two.txt")
    lines = scene.store.catalogue.page(PromptQuery(), limit=1000)
    heldout = [line.id for line in lines if line.split is Split.HELDOUT]
    assert ids(scene, split=Split.HELDOUT) == heldout
    assert 0 < len(heldout) < 40
    assert ids(scene, source="two.txt") == late[::-1]
    scene.store.prompts.retire(late[0])
    assert ids(scene, retired=True) == [late[0]]
    assert len(ids(scene, retired=False)) == 39
    assert [
        (count.source, count.train + count.heldout, count.retired) for count in scene.store.catalogue.sources()
    ] == [
        ("one.txt", 20, 0),
        ("two.txt", 20, 1),
    ]
    assert sum(count.heldout for count in scene.store.catalogue.sources()) == len(heldout)


def test_a_line_says_how_much_was_made_of_a_prompt(scene: Scene) -> None:
    pair = scene.pair(target=3)
    ann, ben = scene.annotator(), scene.annotator()
    scene.judge(ann, Choice.A, pair)
    scene.judge(ben, Choice.B, pair)
    scene.undo(ben)
    [line] = [line for line in scene.store.catalogue.page(PromptQuery(), limit=1000) if line.id == pair.prompt.id]
    assert (line.pairs, line.judgments, line.author, line.retired_at) == (1, 1, None, None)


def test_what_an_annotator_wrote_has_the_pseudonym(scene: Scene) -> None:
    ann = scene.annotator()
    written = scene.store.prompts.write("How so?", ann.id)
    [line] = scene.store.catalogue.page(PromptQuery(words="how so"), limit=9)
    assert (line.id, line.author) == (written.id, ann.pseudonym)


def test_an_empty_store_has_no_source(scene: Scene) -> None:
    assert scene.store.catalogue.sources() == list[SourceCount]()
