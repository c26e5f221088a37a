"""What a model reasoned, kept with its completion: rows without it are as they always were."""

from dataclasses import replace

import pytest

from data.annotation.completions import CONTENT
from data.db.database import Row
from data.records import Choice, Import, ImportFile, ImportKind, Message, Thought, Verdict
from data.records.judged_pair import JudgedPair, Provenance, Sampled
from data.store import PreferenceStore
from data.support.digests import row_digest
from tests.data.exchange.test_imports import keep
from tests.data.scene import Scene, completion, raw

SKY: tuple[Message, ...] = ({"role": "user", "content": "What colour is the sky?"},)
THOUGHT = Thought("Rayleigh, so blue. 你好", 7)


@pytest.fixture
def begun(scene: Scene) -> Import:
    return scene.store.imports.begin(ImportFile(ImportKind.PREFERENCES, "f", "0" * 64, "jsonl", "prefloop", "f"))


def reasoned(scene: Scene) -> int:
    """The id of a pair of which a was reasoned."""
    a = replace(completion("blue"), reasoning=THOUGHT.text, reasoning_tokens=THOUGHT.tokens)
    return scene.store.pairs.add(scene.prompt_id(), a, completion("green")).id


def completion_rows(scene: Scene) -> list[Row]:
    with raw(scene.path) as connection:
        cursor = connection.execute("select * from completion order by id")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def test_reasoning_stands_beside_the_answer(scene: Scene) -> None:
    pair = scene.store.pairs.by_id(reasoned(scene))
    assert (pair.a.text, pair.a.thought) == ("blue", THOUGHT)
    assert (pair.b.text, pair.b.thought) == ("green", None)
    assert scene.store.check() == []


def test_a_row_without_reasoning_has_the_digest_it_had_before_there_was_any(scene: Scene) -> None:
    reasoned(scene)
    a, b = completion_rows(scene)
    assert b["sha256"] == row_digest(b, CONTENT)
    assert a["sha256"] != row_digest(a, CONTENT)


@pytest.mark.parametrize("change", ["reasoning = 'other'", "reasoning_tokens = 8", "reasoning = null"])
def test_damaged_reasoning_is_found(scene: Scene, change: str) -> None:
    reasoned(scene)
    with raw(scene.path) as connection:
        connection.execute(f"update completion set {change} where id = 1")
    assert scene.store.check() == ["completion 1 is not as it was written"]


def test_a_store_of_before_goes_on(scene: Scene) -> None:
    pair = scene.pair()
    scene.store.close()
    with raw(scene.path) as connection:
        connection.execute("alter table completion drop column reasoning")
        connection.execute("alter table completion drop column reasoning_tokens")
        connection.execute("delete from _sqlite_migrations where name = 'reasoning'")
    with PreferenceStore.open(scene.path) as store:
        assert store.pairs.by_id(pair.id).a == pair.a
        assert store.check() == []


def test_reasoning_comes_in_with_our_own_format_and_goes_out_again(scene: Scene, begun: Import) -> None:
    said = Provenance(a=Sampled(reasoning=THOUGHT.text, reasoning_tokens=7), b=Sampled(reasoning="hm"))
    keep(scene.store, begun, JudgedPair(SKY, "grey", "blue", Choice.B, provenance=said))
    now = scene.store.rounds.preview()
    [row] = now.train + now.heldout
    assert (row.chosen.text, row.chosen.thought) == ("blue", Thought("hm"))
    assert (row.rejected.text, row.rejected.thought) == ("grey", THOUGHT)
    assert scene.store.check() == []


def test_a_number_of_tokens_below_nothing_is_refused(scene: Scene, begun: Import) -> None:
    said = Provenance(a=Sampled(reasoning="hm", reasoning_tokens=-1))
    refused = keep(scene.store, begun, JudgedPair(SKY, "grey", "blue", Choice.B, provenance=said))
    assert "reasoning_tokens is -1" in refused[0]


def test_an_answer_is_found_with_its_reasoning(scene: Scene) -> None:
    reasoned(scene)
    [found] = scene.store.lineage.find("blue")
    assert (found.reasoning, found.reasoning_tokens) == THOUGHT


def test_an_edit_keeps_what_was_reasoned_before_the_original(scene: Scene) -> None:
    ann = scene.annotator()
    lease = scene.lease(ann, scene.store.pairs.by_id(reasoned(scene)))
    choice = Choice.A if lease.shown[0].text == "blue" else Choice.B
    judgment = scene.store.judgments.record(
        ann.id, lease.token, Verdict(choice, edit="sky blue"), idempotency_key="key-of-an-edit"
    )
    now = scene.store.rounds.preview()
    [edited] = [one for one in (*now.train, *now.heldout) if one.chosen.text == "sky blue"]
    assert (edited.chosen.thought, edited.rejected.thought) == (THOUGHT, THOUGHT)
    assert judgment.edit == "sky blue"
    assert scene.store.check() == []


def test_a_conversation_goes_on_with_what_was_reasoned_where_that_is_asked_for(scene: Scene) -> None:
    author, pair_id = scene.annotator().id, reasoned(scene)
    prompts = scene.store.prompts
    plain = prompts.continue_with(pair_id, "blue", "And at night?", author)
    shown = prompts.continue_with(pair_id, "blue", "And at night?", author, reasoning=THOUGHT.text)
    assert plain.messages[1] == {"role": "assistant", "content": "blue"}
    assert shown.messages[1] == {"role": "assistant", "content": "blue", "reasoning_content": THOUGHT.text}
    assert plain.sha256 != shown.sha256
    assert prompts.edit(shown.id, "And by day?", author).messages[1] == shown.messages[1]
    assert scene.store.check() == []
