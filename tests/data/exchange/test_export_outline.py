"""The counts of an outline are those of what goes out pair by pair."""

from collections import Counter
from random import Random

import pytest

from data.exchange.export_query import ExportQuery
from data.exchange.export_rows import LeftOut
from data.records import Choice, Flag, Purpose, Remarks, Split, Verdict
from data.records import NewCompletion as Answer
from data.rounds.aggregation import Aggregation
from tests.data.scene import Scene, completion

SAYABLE = (Choice.A, Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD, Choice.SKIP)
REASONS = ("Correct", "Safer")


@pytest.fixture
def crowded(scene: Scene) -> Scene:
    """Judgments of all kinds: of three people and two versions, some flagged, too fast, undone, or in a round."""
    source, people = Random(3), [scene.annotator() for _ in range(3)]
    scene.add_version("v1")
    prompts = [scene.prompt_id(split) for split in (Split.TRAIN, Split.TRAIN, Split.HELDOUT)]
    for number in range(40):
        version = source.choice(("base", "v1"))
        a, b = (completion(f"{side} {number} ".ljust(400, "x"), version) for side in ("left", "right"))
        pair = scene.store.pairs.add(source.choice(prompts), a, b, target_judgments=3)
        for person in source.sample(people, source.randint(1, 3)):
            scene.clock.now += 60_000
            choice = source.choice(SAYABLE)
            flag = Flag.BROKEN_PROMPT if source.random() < 0.05 else None
            remarks = Remarks(reasons_a=tuple(source.sample(REASONS, source.randint(0, 2))), flag=flag)
            verdict = Verdict(
                choice,
                source.choice((None, 1, 2, 3)) if choice.decisive else None,
                source.choice((None, 100, 60_000)),
                remarks,
            )
            lease = scene.lease(person, pair)
            scene.store.judgments.record(person.id, lease.token, verdict, idempotency_key=f"{pair.id} {person.id}")
            if number == 20:
                scene.undo(person)
        if number == 30:
            scene.store.rounds.create(config={}, started_by=None)
    scene.store.quarantines.begin(people[2].id, reason="x", made_by=None)
    evaluation: list[Answer] = [completion("one"), completion("other", "v1")]
    measured = scene.store.pairs.add_evaluation(prompts[0], *evaluation, champion="base")
    scene.judge(people[0], Choice.A, measured)
    assert measured.purpose is Purpose.EVAL
    return scene


QUERIES = {
    "usual": ExportQuery(),
    "all": ExportQuery(ties=True, both_bad=True, barred=True),
    "one split": ExportQuery(split=Split.HELDOUT),
    "a round": ExportQuery(rounds=(1,)),
    "a version": ExportQuery(versions=("v1", "v7")),
    "a time": ExportQuery(since=1_000_000 + 600_000, until=1_000_000 + 2_400_000),
    "a tag": ExportQuery(tags=("Safer",)),
    "several votes": ExportQuery(votes=2),
    "agreement": ExportQuery(agreement=0.7, barred=True),
    "strength": ExportQuery(strength=2.0, barred=True),
    "each judgment": ExportQuery(aggregation=Aggregation.JUDGMENTS, ties=True),
    "each decisive judgment": ExportQuery(aggregation=Aggregation.JUDGMENTS, barred=True, agreement=0.6),
    "the reliable": ExportQuery(aggregation=Aggregation.DAWID_SKENE, barred=True, agreement=0.6),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_an_outline_counts_what_goes_out(crowded: Scene, query: ExportQuery) -> None:
    assert_alike(crowded, query)


def test_an_outline_knows_people_by_pseudonym(crowded: Scene) -> None:
    [name, *_] = crowded.store.people.pseudonyms().values()
    assert_alike(crowded, ExportQuery(annotators=(name, "nobody")))


def test_an_outline_of_nothing_is_empty(scene: Scene) -> None:
    outline = scene.store.export_rows.outline(ExportQuery())
    assert (outline.judgments, dict(outline.left_out), sum(outline.pairs.values()), len(outline.taken)) == (0, {}, 0, 0)


def assert_alike(scene: Scene, query: ExportQuery) -> None:
    left_out, pairs, written = Counter[str](), dict.fromkeys(Split, 0), dict.fromkeys(Split, 0)
    taken: list[int] = []
    for found in scene.store.export_rows.judged_pairs(query):
        if isinstance(found, LeftOut):
            left_out[found.reason] += found.judgments
            continue
        split = Split(found.provenance["split"])
        written[split] += found.provenance["votes"]
        if found.provenance["pair"] not in taken:
            taken.append(found.provenance["pair"])
            pairs[split] += 1
    outline = scene.store.export_rows.outline(query)
    assert dict(outline.left_out) == left_out
    assert (outline.pairs, outline.written, outline.taken.tolist()) == (pairs, written, taken)
    assert outline.judgments == sum(written.values()) + left_out.total()
    assert taken or left_out
