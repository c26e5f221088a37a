from collections import Counter
from datetime import UTC, datetime

import pytest

from data.exchange.export_query import ExportQuery
from data.exchange.export_rows import LeftOut
from data.exchange.imports import Chunk
from data.records import Choice, ImportFile, ImportKind, Pair, Split, Verdict
from data.records import Remarks as Said
from data.records.judged_pair import JudgedPair, Provenance
from data.rounds.aggregation import Aggregation
from tests.data.scene import Scene

EVERYTHING = ExportQuery(aggregation=Aggregation.JUDGMENTS, ties=True, both_bad=True, barred=True)


def exported(scene: Scene, query: ExportQuery) -> tuple[list[JudgedPair], Counter[str]]:
    """The pairs, and how many judgments were left out for each reason."""
    pairs, left_out = [], Counter[str]()
    for one in scene.store.export_rows.judged_pairs(query):
        if isinstance(one, LeftOut):
            left_out[one.reason] += one.judgments
        else:
            pairs.append(one)
    return pairs, left_out


def judged_by(scene: Scene, *choices: Choice, pair: Pair | None = None, strength: int | None = None) -> Pair:
    """A pair that somebody else made each of the choices on."""
    pair = pair or scene.pair(target=len(choices))
    for choice in choices:
        scene.judge(scene.annotator(), choice, pair, strength if choice.decisive else None)
    return pair


def test_a_majority_is_a_pair_with_its_texts(scene: Scene) -> None:
    pair = judged_by(scene, Choice.B, Choice.B, Choice.A, strength=2)
    [found], left_out = exported(scene, ExportQuery())
    assert (found.prompt, found.chosen, found.rejected) == (pair.prompt.messages, pair.b.text, pair.a.text)
    assert (found.strength, found.provenance["votes"]) == (2, 3)
    assert found.provenance["agreement"] == pytest.approx(2 / 3)
    assert not left_out


def test_all_judgments_are_counted_once_whatever_is_asked(scene: Scene) -> None:
    judged_by(scene, Choice.A, Choice.B)
    judged_by(scene, Choice.TIE)
    judged_by(scene, Choice.BOTH_BAD, Choice.BOTH_BAD)
    judged_by(scene, Choice.SKIP)
    for query in (
        ExportQuery(),
        EVERYTHING,
        ExportQuery(ties=True),
        ExportQuery(votes=2),
        ExportQuery(split=Split.TRAIN),
    ):
        pairs, left_out = exported(scene, query)
        assert sum(pair.provenance["votes"] for pair in pairs) + left_out.total() == 6


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ((Choice.TIE,), "tie"),
        ((Choice.A, Choice.B), "tie"),
        ((Choice.BOTH_BAD,), "both_bad"),
        ((Choice.SKIP,), "skip"),
    ],
)
def test_what_names_no_winner_is_left_out(scene: Scene, choices: tuple[Choice, ...], reason: str) -> None:
    judged_by(scene, *choices)
    assert exported(scene, ExportQuery()) == ([], {reason: len(choices)})


def test_ties_and_bad_pairs_are_taken_if_asked_for(scene: Scene) -> None:
    judged_by(scene, Choice.TIE)
    judged_by(scene, Choice.BOTH_BAD)
    pairs, _ = exported(scene, ExportQuery(ties=True, both_bad=True))
    assert [pair.choice for pair in pairs] == [Choice.TIE, Choice.BOTH_BAD]


def test_every_judgment_by_itself_says_who_and_how(scene: Scene) -> None:
    judged_by(scene, Choice.A, Choice.B, strength=3)
    pairs, _ = exported(scene, ExportQuery(aggregation=Aggregation.JUDGMENTS))
    assert [pair.choice for pair in pairs] == [Choice.A, Choice.B]
    assert [pair.strength for pair in pairs] == [3, 3]
    people = {person.pseudonym for person in scene.store.people.all()}
    assert {pair.provenance["annotator"] for pair in pairs} == people
    assert all(len(pair.provenance["judgment"]) == 64 for pair in pairs)


def test_an_answer_says_how_it_was_sampled(scene: Scene) -> None:
    judged_by(scene, Choice.A)
    [pair], _ = exported(scene, EVERYTHING)
    made = pair.provenance["a"]
    assert (made["version"], made["token_ids"], made["seed"]) == ("base", [5, 6, 2], 1)
    assert made["sampling"]["temperature"] == 0.9


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (ExportQuery(split=Split.HELDOUT), "other_split"),
        (ExportQuery(versions=("round-000001",)), "other_version"),
        (ExportQuery(since=2_000_000), "other_time"),
        (ExportQuery(until=1_000_000), "other_time"),
        (ExportQuery(annotators=("nobody-here-10",)), "other_annotator"),
        (ExportQuery(tags=("Safer",)), "other_tag"),
        (ExportQuery(languages=("fr",)), "other_language"),
        (ExportQuery(votes=2), "few_votes"),
        (ExportQuery(strength=2.5), "weak"),
    ],
)
def test_what_is_not_asked_for_is_left_out(scene: Scene, query: ExportQuery, reason: str) -> None:
    judged_by(scene, Choice.A, strength=2)
    assert exported(scene, query) == ([], {reason: 1})


def test_what_is_asked_for_is_taken(scene: Scene) -> None:
    pair = scene.pair()
    annotator = scene.annotator()
    lease = scene.lease(annotator, pair)
    verdict = Verdict(Choice.A, 3, remarks=Said(reasons_a=("Safer",)))
    scene.store.judgments.record(annotator.id, lease.token, verdict, idempotency_key="k")
    query = ExportQuery(
        split=Split.TRAIN,
        versions=("base",),
        since=1_000_000,
        until=1_000_001,
        annotators=(annotator.pseudonym,),
        tags=("Safer",),
        strength=3,
    )
    assert len(exported(scene, query)[0]) == 1


def test_disputed_pairs_are_left_out(scene: Scene) -> None:
    judged_by(scene, Choice.A, Choice.A, Choice.B)
    assert exported(scene, ExportQuery(agreement=0.7))[1] == {"disputed": 3}


def test_a_round_gives_what_it_used_even_if_it_was_taken_back_since(scene: Scene) -> None:
    annotator, pair = scene.annotator(), scene.pair()
    scene.judge(annotator, Choice.A, pair)
    used = scene.store.rounds.create(config={}, started_by=None)
    scene.undo(annotator)
    assert exported(scene, ExportQuery())[0] == []
    [found], _ = exported(scene, ExportQuery(rounds=(used.id,)))
    assert found.provenance["rounds"] == [used.id]
    assert exported(scene, ExportQuery(rounds=(used.id + 1,))) == ([], {})


def test_people_in_quarantine_are_left_out_unless_asked_for(scene: Scene) -> None:
    pair = scene.pair()
    annotator = scene.annotator()
    scene.judge(annotator, Choice.A, pair)
    scene.store.quarantines.begin(annotator.id, reason="random", made_by=None)
    assert exported(scene, ExportQuery())[1] == {"quarantined": 1}
    assert len(exported(scene, ExportQuery(barred=True))[0]) == 1


def test_the_reliable_outvote_the_many(scene: Scene) -> None:
    good, lazy = [scene.annotator() for _ in range(2)], [scene.annotator() for _ in range(3)]
    # the lazy ones agree with nobody; on the last pair they happen to agree with each other
    for number in range(24):
        pair = scene.pair(target=5)
        for person in good:
            scene.judge(person, Choice.A, pair)
        for place, person in enumerate(lazy):
            scene.judge(person, Choice.A if (number >> place) % 2 else Choice.B, pair)
    last = scene.pair(target=5)
    for person in (*good, *lazy):
        scene.judge(person, Choice.A if person in good else Choice.B, last)
    majority, weighed = (
        exported(scene, ExportQuery(aggregation=how))[0][-1] for how in (Aggregation.MAJORITY, Aggregation.DAWID_SKENE)
    )
    assert (majority.chosen, weighed.chosen) == (last.b.text, last.a.text)


def test_languages_are_told_by_prompt_and_answers(scene: Scene) -> None:
    begun = scene.store.imports.begin(ImportFile(ImportKind.PREFERENCES, "f", "0" * 64, "jsonl", "trl", "f"))
    texts = {
        "en": ("How do I boil an egg?", "Put it into boiling water for six minutes.", "I do not know that."),
        "zh": ("怎么煮鸡蛋？", "把鸡蛋放进沸水里煮六分钟。", "我不知道。"),
    }
    pairs = [JudgedPair(({"role": "user", "content": ask},), good, bad) for ask, good, bad in texts.values()]
    scene.store.imports.add_pairs(begun, list(enumerate(pairs, 1)), Chunk(2, 2))
    told = list(scene.store.export_rows.judged_pairs(ExportQuery(), tell_language=True))
    assert [one.provenance["language"] for one in told if isinstance(one, JudgedPair)] == ["en", "zh"]
    [found], left_out = exported(scene, ExportQuery(languages=("zh",)))
    assert (found.prompt[0]["content"], found.provenance["language"], left_out) == (
        texts["zh"][0],
        "zh",
        {"other_language": 1},
    )


def test_what_was_imported_keeps_the_digest_it_came_with(scene: Scene) -> None:
    begun = scene.store.imports.begin(ImportFile(ImportKind.PREFERENCES, "f", "0" * 64, "jsonl", "prefloop", "f"))
    said = Provenance(judgment="f" * 64, shown_first="b", created_at="2024-05-01T12:00:00+00:00")
    came = JudgedPair(({"role": "user", "content": "?"},), "yes", "no", Choice.A, 2, said)
    scene.store.imports.add_pairs(begun, [(1, came)], Chunk(1, 1))
    [found], _ = exported(scene, EVERYTHING)
    assert found.provenance["judgment"] == "f" * 64
    first = found.a if found.provenance["shown_first"] == "a" else found.b
    assert (found.chosen, found.rejected, first) == ("yes", "no", "no")
    assert datetime.fromisoformat(found.provenance["created_at"]) == datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_more_pairs_than_fit_in_one_look_come_in_order(scene: Scene) -> None:
    begun = scene.store.imports.begin(ImportFile(ImportKind.PREFERENCES, "f", "0" * 64, "jsonl", "trl", "f"))
    pairs = [JudgedPair(({"role": "user", "content": f"q {n}"},), "yes", "no") for n in range(1_234)]
    scene.store.imports.add_pairs(begun, list(enumerate(pairs, 1)), Chunk(1_234, 1_234))
    found, _ = exported(scene, ExportQuery())
    assert [pair.prompt[0]["content"] for pair in found] == [f"q {n}" for n in range(1_234)]


def test_a_time_that_no_year_holds_ends_no_export(scene: Scene) -> None:
    scene.clock.now = 253_402_383_599_000  # what "9999-12-31T23:59:59-23:00" came to in an older prefloop
    judged_by(scene, Choice.A)
    [found], _ = exported(scene, ExportQuery())
    assert found.provenance["created_at"] == "9999-12-31T23:59:59.999+00:00"
