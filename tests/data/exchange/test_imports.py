import tracemalloc
from dataclasses import replace

import pytest

from data.errors import ConflictError, NotFoundError
from data.exchange.export_query import ExportQuery
from data.exchange.imports import Chunk
from data.records import Choice, Import, ImportFile, ImportKind, ImportState, Message, Split
from data.records.judged_pair import JudgedPair, Provenance, Sampled
from data.rounds.aggregation import Aggregation
from data.store import PreferenceStore
from tests.data.scene import Scene, raw

FILE = ImportFile(ImportKind.PREFERENCES, "pairs.jsonl", "0" * 64, "jsonl", "trl", "pairs.jsonl", "mit")
SKY: tuple[Message, ...] = ({"role": "user", "content": "What colour is the sky?"},)


@pytest.fixture
def begun(scene: Scene) -> Import:
    return scene.store.imports.begin(FILE)


def judged(
    a: str = "yes", b: str = "no", choice: Choice = Choice.A, prompt: tuple[Message, ...] = SKY, **said: object
) -> JudgedPair:
    return JudgedPair(prompt, a, b, choice, provenance=Provenance(**said))  # type: ignore[typeddict-item]


def keep(store: PreferenceStore, begun: Import, *pairs: JudgedPair) -> dict[int, str]:
    chunk = Chunk(begun.position + len(pairs), len(pairs))
    return dict(store.imports.add_pairs(begun, list(enumerate(pairs)), chunk))


def counts(store: PreferenceStore, begun: Import) -> dict[str, int]:
    return dict(store.imports.by_id(begun.id).counts)


def test_what_is_kept_trains_as_what_was_judged_here(scene: Scene, begun: Import) -> None:
    keep(scene.store, begun, judged("yes", "no"), judged("b", "a", Choice.B))
    snapshot = scene.store.rounds.preview()
    found = {(p.chosen.text, p.rejected.text) for p in (*snapshot.train, *snapshot.heldout)}
    assert found == {("yes", "no"), ("a", "b")}
    assert scene.store.check() == []


def test_it_has_no_version_token_ids_nor_author(scene: Scene, begun: Import) -> None:
    keep(scene.store, begun, judged())
    now = scene.store.rounds.preview()
    [row] = now.train + now.heldout
    assert (row.chosen.version, row.chosen.token_ids, row.chosen.author_id) == (None, None, None)


def test_the_model_that_a_file_names_is_kept(scene: Scene, begun: Import) -> None:
    said = Provenance(a=Sampled(version="gpt-4"), b=Sampled(version="llama"))
    keep(scene.store, begun, JudgedPair(SKY, "yes", "no", Choice.B, provenance=said))
    now = scene.store.rounds.preview()
    [row] = now.train + now.heldout
    assert (row.chosen.text, row.chosen.model, row.rejected.model) == ("no", "llama", "gpt-4")


def test_the_same_again_changes_nothing(scene: Scene, begun: Import) -> None:
    pairs = [judged(), judged("sun", "moon")]
    keep(scene.store, begun, *pairs)
    scene.store.imports.end(begun.id)
    again = scene.store.imports.begin(FILE)
    keep(scene.store, again, *pairs)
    assert (counts(scene.store, again)["known"], scene.store.judgments.count()) == (2, 2)


def test_a_pair_that_two_people_judged_is_one_pair(scene: Scene, begun: Import) -> None:
    keep(scene.store, begun, judged(annotator="x"), judged("no", "yes", Choice.A, annotator="y"))
    found = counts(scene.store, begun)
    assert (found["pairs"], found["added"], found["prompts"]) == (1, 2, 1)
    assert scene.store.rounds.outline().excluded == {"split": 2}


def test_one_person_has_one_word_on_a_pair(scene: Scene, begun: Import) -> None:
    refused = keep(scene.store, begun, judged(), judged(choice=Choice.B))
    assert refused == {1: "the same person has said something else of this pair"}
    assert counts(scene.store, begun)["bad"] == 1


@pytest.mark.parametrize("strength", [None, 3])
@pytest.mark.parametrize("aggregation", [Aggregation.JUDGMENTS, Aggregation.MAJORITY])
def test_a_judgment_given_here_is_known_by_its_digest(
    scene: Scene, begun: Import, strength: int | None, aggregation: Aggregation
) -> None:
    for _ in range(3):
        scene.judge(scene.annotator(), Choice.B, scene.pair(), strength)
    gone_out = [
        one
        for one in scene.store.export_rows.judged_pairs(ExportQuery(aggregation=aggregation))
        if isinstance(one, JudgedPair)
    ]
    assert len(gone_out) == 3 and keep(scene.store, begun, *gone_out) == {}
    assert (counts(scene.store, begun)["known"], scene.store.judgments.count()) == (3, 3)


def test_votes_put_together_are_not_counted_beside_themselves(scene: Scene, begun: Import) -> None:
    pair = scene.pair(target=3)
    for choice in (Choice.A, Choice.A, Choice.B):
        scene.judge(scene.annotator(), choice, pair)
    [gone_out] = scene.store.export_rows.judged_pairs(ExportQuery())
    assert isinstance(gone_out, JudgedPair)
    refused = keep(scene.store, begun, gone_out, judged(votes=3), judged(votes=3))
    assert refused == {0: "3 votes put together, of a pair that is judged here; bring each judgment"}
    assert (counts(scene.store, begun)["added"], counts(scene.store, begun)["known"]) == (1, 1)
    assert keep(scene.store, begun, judged(votes=3)) == {}
    assert scene.store.judgments.count() == 4


def test_another_judgment_under_a_digest_that_is_here_is_refused(scene: Scene, begun: Import) -> None:
    scene.judge(scene.annotator(), Choice.A, scene.pair())
    [given] = scene.store.export_rows.judged_pairs(ExportQuery())
    assert isinstance(given, JudgedPair)
    first = [judged(judgment="x"), replace(given, b="else")]
    second = [judged(judgment="x"), judged("yes", "else", judgment="x"), judged(choice=Choice.B, judgment="x")]
    refused = "another judgment has the same digest; leave `judgment` out"
    assert keep(scene.store, begun, *first, *second) == {1: refused, 3: refused, 4: refused}
    assert keep(scene.store, begun, *second) == {1: refused, 2: refused}
    assert (counts(scene.store, begun)["added"], counts(scene.store, begun)["known"]) == (1, 2)


@pytest.mark.parametrize(("said", "kept"), [(1.4, 1), (1.5, 2), (2, 2), (2.5, 2), (2.6, 3)])
def test_a_strength_between_two_becomes_the_nearer_one(scene: Scene, begun: Import, said: float, kept: int) -> None:
    keep(scene.store, begun, replace(judged(), strength=said))
    [found] = scene.store.export_rows.judged_pairs(ExportQuery())
    assert isinstance(found, JudgedPair) and found.strength == kept


@pytest.mark.parametrize("purpose", ["eval", "gold", "reask"])
def test_what_only_measured_is_refused(scene: Scene, begun: Import, purpose: str) -> None:
    assert keep(scene.store, begun, judged(purpose=purpose)) == {0: f"judged as {purpose}, which never trains"}


def test_a_comment_that_is_too_long_is_refused(scene: Scene, begun: Import) -> None:
    [reason] = keep(scene.store, begun, judged(comment="x" * 2001)).values()
    assert "2001 characters" in reason


def test_a_prompt_is_not_sampled_to_until_somebody_says_so(scene: Scene, begun: Import) -> None:
    keep(scene.store, begun, judged())
    assert scene.store.prompts.next() is None
    prompts = scene.store.imports.begin(ImportFile(ImportKind.PROMPTS, "p.txt", "1" * 64, "text", None, "p.txt"))
    scene.store.imports.add_prompts(prompts, [SKY], Chunk(1, 1))
    found = scene.store.prompts.next()
    assert found is not None and found.messages == SKY
    assert counts(scene.store, prompts) == {"added": 0, "known": 1, "rows": 1, "bad": 0}


def test_what_an_admin_retired_stays_retired(scene: Scene) -> None:
    prompt_id = scene.prompt_id()
    prompt = scene.store.prompts.by_id(prompt_id)
    scene.clock.now += 1
    scene.store.prompts.retire(prompt_id)
    scene.store.prompts.add([prompt.messages], source="again")
    assert scene.store.prompts.next() is None


def test_a_prompt_says_where_it_is_from(scene: Scene, begun: Import) -> None:
    keep(scene.store, begun, judged(), judged(prompt=({"role": "user", "content": "And?"},), source="x", license="cc0"))
    found = {(p.source, p.license) for p in scene.store.prompts.sample(None, 9, 0)}
    assert found == {("pairs.jsonl", "mit"), ("x", "cc0")}


def test_what_was_held_out_stays_so(scene: Scene, begun: Import) -> None:
    prompts = [({"role": "user", "content": f"q {n}"},) for n in range(30)]
    keep(scene.store, begun, *(judged(prompt=p, split="heldout") for p in prompts))  # type: ignore[arg-type]
    assert scene.store.prompts.count(Split.HELDOUT) == 30


def test_an_import_that_did_not_end_goes_on(scene: Scene, begun: Import) -> None:
    keep(scene.store, begun, judged())
    scene.store.imports.end(begun.id, reason="the power went")
    again = scene.store.imports.begin(FILE)
    assert (again.id, again.position, again.state) == (begun.id, 1, ImportState.RUNNING)
    ended = scene.store.imports.end(again.id)
    assert (ended.state, scene.store.imports.begin(FILE).id) == (ImportState.DONE, begun.id + 1)


def test_an_import_goes_on_with_the_license_it_began_with(scene: Scene, begun: Import) -> None:
    scene.store.imports.end(begun.id, reason="the power went")
    with pytest.raises(ConflictError, match="Import 1 of this file was interrupted and has the license mit; continue"):
        scene.store.imports.begin(replace(FILE, license="cc0"))
    again = scene.store.imports.begin(replace(FILE, license=None))
    assert (again.id, again.file.license) == (begun.id, "mit")
    scene.store.imports.end(begun.id)
    assert scene.store.imports.begin(replace(FILE, license="cc0")).file.license == "cc0"


def test_an_unknown_import_is_named(scene: Scene) -> None:
    with pytest.raises(NotFoundError, match="no import 7"):
        scene.store.imports.by_id(7)


def test_when_it_was_judged_is_kept(scene: Scene, begun: Import) -> None:
    keep(scene.store, begun, judged(created_at="2024-05-01T12:00:00+00:00"))
    with raw(scene.path) as connection:
        assert connection.execute("select created_at from judgment").fetchone() == (1714564800000,)


@pytest.mark.parametrize("time", ["2024-05-01T12:00:00.123+00:00", "9999-12-31T23:59:59.999+00:00"])
def test_a_time_goes_out_as_it_came(scene: Scene, begun: Import, time: str) -> None:
    keep(scene.store, begun, judged(created_at=time))
    [found] = scene.store.export_rows.judged_pairs(ExportQuery())
    assert isinstance(found, JudgedPair) and found.provenance["created_at"] == time


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "yesterday", "2024-13-01"])
def test_a_time_that_is_none_in_utc_is_refused(scene: Scene, begun: Import, time: str) -> None:
    assert keep(scene.store, begun, judged(created_at=time)) == {
        0: f"created_at is {time!r}, no time as ISO 8601 has it"
    }


def test_it_tells_nothing_of_habits_nor_of_days_here(scene: Scene, begun: Import) -> None:
    keep(scene.store, begun, judged(), judged("sun", "moon"))
    assert len(scene.store.quality_votes.all()) == 2
    assert len(scene.store.quality_votes.cast_here()) == 0
    assert [(day.judgments, day.people) for day in scene.store.daily.last(1)] == [(0, 0)]


def test_many_pairs_of_one_long_prompt_take_the_memory_of_one(scene: Scene, begun: Import) -> None:
    prompt: tuple[Message, ...] = ({"role": "user", "content": "why? " * 200_000},)
    pairs = [judged("yes", "no", Choice.TIE, prompt, annotator=f"person {number}") for number in range(300)]
    tracemalloc.start()
    keep(scene.store, begun, *pairs)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts(scene.store, begun)["added"] == 300
    assert peak < 50_000_000  # 300 times the prompt would be 300 MB
