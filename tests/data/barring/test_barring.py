"""What may not count because nobody could have read it; flags and quarantines are in test_quarantines.py."""

import pytest

from data.barring.reading_speed import READING_SPEED, SKIMMING
from data.exchange.export_query import ExportQuery
from data.exchange.export_rows import LeftOut
from data.records import Annotator, Choice, Judgment, Lease, Pair, RoundState, Without
from data.records import Verdict as Said
from data.store import PreferenceStore
from tests.data.scene import Scene, completion

CHARACTERS = 2_000
SKIMMED_MS = round(1000 * CHARACTERS / (SKIMMING * READING_SPEED))
READ_MS = SKIMMED_MS + 1000


def pair_to_read(scene: Scene, target: int = 1) -> Pair:
    """A pair whose answers have so many characters together."""
    number = next(scene.numbers)
    a, b = (completion(f"{side} {number} ".ljust(CHARACTERS // 2, "x")) for side in ("left", "right"))
    return scene.store.pairs.add(scene.prompt_id(), a, b, target_judgments=target)


def judged(
    scene: Scene, by: Annotator | Lease, pair: Pair, elapsed_ms: int | None, edit: str | None = None
) -> Judgment:
    """A judgment after so long, of a pair lent now or before."""
    lease = by if isinstance(by, Lease) else scene.lease(by, pair)
    verdict = Said(Choice.A, 2, elapsed_ms=elapsed_ms, edit=edit)
    return scene.store.judgments.record(
        lease.annotator_id, lease.token, verdict, idempotency_key=f"key {next(scene.numbers)}"
    )


@pytest.mark.parametrize(
    ("elapsed_ms", "barred"), [(0, True), (200, True), (SKIMMED_MS - 1, True), (SKIMMED_MS + 1, False), (None, False)]
)
def test_a_judgment_faster_than_anyone_skims_stays_out_of_rounds(
    scene: Scene, elapsed_ms: int | None, barred: bool
) -> None:
    judged(scene, scene.annotator(), pair_to_read(scene), elapsed_ms)
    preview, outline = scene.store.rounds.preview(), scene.store.rounds.outline()
    assert len(preview.train) == (0 if barred else 1)
    assert preview.excluded == outline.excluded == ({"too_fast": 1} if barred else {})
    assert scene.store.judgments.decisive_since(0) == (0 if barred else 1)


def test_how_fast_is_too_fast_is_set_and_may_be_never(scene: Scene) -> None:
    judged(scene, scene.annotator(), pair_to_read(scene), 200)
    scene.store.close()
    for factor, trains in ((0.0, 1), (2 * SKIMMED_MS / 200 * SKIMMING, 1), (SKIMMING, 0)):
        with PreferenceStore.open(scene.path, clock=scene.clock, too_fast=factor) as store:
            assert len(store.rounds.preview().train) == trains


def test_all_looks_at_a_pair_that_came_again_count(scene: Scene) -> None:
    ann = scene.annotator()
    judged(scene, ann, pair_to_read(scene), READ_MS)
    for _ in range(2):
        lease, before = scene.undo(ann)
        judged(scene, lease, before_pair(scene, before), 300)
        assert scene.store.rounds.preview().excluded == {}
    lease, before = scene.store.judgments.change(ann.id, scene.store.judgments.last_id(), duration_ms=1000)
    judged(scene, lease, before_pair(scene, before), 300)
    assert scene.store.rounds.preview().excluded == {}
    assert [ballot.elapsed_ms for ballot in scene.store.quality_votes.all()] == [READ_MS + 900]


def test_looks_that_are_too_short_together_are_too_fast(scene: Scene) -> None:
    ann = scene.annotator()
    judged(scene, ann, pair_to_read(scene), 200)
    lease, before = scene.undo(ann)
    judged(scene, lease, before_pair(scene, before), 300)
    assert scene.store.rounds.preview().excluded == {"too_fast": 1}


def test_what_an_edit_brought_along_goes_with_its_judgment(scene: Scene) -> None:
    judged(scene, scene.annotator(), pair_to_read(scene), 200, edit="as it should be")
    judged(scene, scene.annotator(), pair_to_read(scene), READ_MS, edit="as it should be, too")
    preview = scene.store.rounds.preview()
    assert preview.excluded == {"too_fast": 2}
    assert len(preview.train) == 2


def test_exports_leave_it_out_unless_they_are_told_to_take_what_is_barred(scene: Scene) -> None:
    judged(scene, scene.annotator(), pair_to_read(scene), 200)
    assert list(scene.store.export_rows.judged_pairs(ExportQuery())) == [LeftOut("too_fast", 1)]
    assert len(list(scene.store.export_rows.judged_pairs(ExportQuery(barred=True)))) == 1


def test_it_is_no_vote_between_versions(scene: Scene) -> None:
    scene.add_version("v1")
    for elapsed_ms in (200, READ_MS, None):
        a, b = (completion(f"{name} {next(scene.numbers)}".ljust(1000, "x"), name) for name in ("base", "v1"))
        pair = scene.store.pairs.add_evaluation(scene.prompt_id(), a, b, champion="base")
        judged(scene, scene.annotator(), pair, elapsed_ms)
    assert len(scene.store.comparisons.all()) == 2


def test_a_round_taken_again_bars_by_what_held_when_it_began(scene: Scene) -> None:
    ann, ben = scene.annotator(), scene.annotator()
    for person, elapsed_ms in ((ann, 200), (ben, READ_MS), (ben, READ_MS)):
        judged(scene, person, pair_to_read(scene), elapsed_ms)
    created = scene.store.rounds.create(config={}, started_by=None)
    scene.store.rounds.set_state(created.id, RoundState.PROMOTED)
    scene.store.close()
    with PreferenceStore.open(scene.path, clock=scene.clock, too_fast=0.0) as store:
        again = store.rounds.rebuild(created.id, Without(), config={}, started_by=None)
        assert again.counts == created.counts
        assert again.counts["excluded_too_fast"] == 1


def test_a_round_that_has_nothing_else_says_why(scene: Scene) -> None:
    judged(scene, scene.annotator(), pair_to_read(scene), 200)
    with pytest.raises(Exception, match="1 judgments came too fast for the answers to have been read"):
        scene.store.rounds.create(config={}, started_by=None)


def before_pair(scene: Scene, judgment: Judgment) -> Pair:
    return scene.store.pairs.by_id(judgment.pair_id)
