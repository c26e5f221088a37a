import pytest

from data.errors import InputError, NotFoundError
from data.records import Choice, RoundState, Ruling, ServingAction
from tests.data.scene import Scene, raw

GUARDED = "decision is append-only"


@pytest.fixture
def decided(scene: Scene) -> Scene:
    scene.add_version("v1")
    scene.store.decisions.add("v1", Ruling.TRY, reason="Nothing speaks against it.", numbers={"accuracy": 0.75})
    return scene


def test_a_decision_is_kept_with_its_numbers(decided: Scene) -> None:
    [kept] = decided.store.decisions.of("v1")
    assert (kept.version, kept.ruling, kept.reason) == ("v1", Ruling.TRY, "Nothing speaks against it.")
    assert kept.numbers == {"accuracy": 0.75}
    assert kept.actor_id is None
    assert decided.store.decisions.of("base") == []


def test_the_version_on_trial_is_the_one_decided_last(decided: Scene) -> None:
    decisions = decided.store.decisions
    on_trial = decisions.tried()
    assert on_trial is not None
    assert on_trial.version == "v1"
    decided.add_version("v2")
    decisions.add("v2", Ruling.TRY, reason="Another.")
    assert decisions.tried() == decisions.all()[-1]
    decisions.add("v2", Ruling.REFUSE, reason="Worse.")
    assert decisions.tried() == on_trial
    decisions.add("v1", Ruling.PROMOTE, reason="Better.")
    assert decisions.tried() is None


def test_a_decision_that_moves_what_serves_is_kept_with_the_move(decided: Scene) -> None:
    store = decided.store
    kept = store.decisions.move(
        "v1", Ruling.ROLL_BACK, serves="base", action=ServingAction.ROLLBACK, reason="Worse.", numbers={"wins": 2}
    )
    assert kept == store.decisions.of("v1")[-1]
    assert (kept.ruling, kept.reason, kept.numbers) == (Ruling.ROLL_BACK, "Worse.", {"wins": 2})
    [event] = store.versions.serving_history()
    assert (event.version, event.action, event.reason) == ("base", ServingAction.ROLLBACK, "Worse.")


def test_a_decision_that_is_not_kept_moves_nothing(decided: Scene) -> None:
    store = decided.store
    before = store.decisions.all()
    for version, serves in (("v9", "v1"), ("v1", "v9")):
        with pytest.raises(NotFoundError, match="no adapter version v9"):
            store.decisions.move(
                version, Ruling.ROLL_BACK, serves=serves, action=ServingAction.ROLLBACK, reason="Worse."
            )
    with pytest.raises(InputError, match="needs a reason"):
        store.decisions.move("v1", Ruling.PROMOTE, serves="v1", action=ServingAction.PROMOTE, reason=" ")
    assert (store.decisions.all(), store.versions.serving_history()) == (before, [])


def test_a_decision_wants_a_reason_and_a_version(scene: Scene) -> None:
    with pytest.raises(InputError, match="needs a reason"):
        scene.store.decisions.add("base", Ruling.RETIRE, reason=" ")
    with pytest.raises(NotFoundError, match="no adapter version v9"):
        scene.store.decisions.add("v9", Ruling.RETIRE, reason="Old.")


@pytest.mark.parametrize(
    "sql",
    [
        "update decision set ruling = 'promote'",
        "delete from decision",
        "insert or replace into decision select id, version_id, 'promote', reason, numbers, null, 1 from decision",
    ],
)
def test_a_decision_cannot_be_changed_on_any_connection(decided: Scene, sql: str) -> None:
    with raw(decided.path) as connection, pytest.raises(Exception, match=GUARDED):
        connection.execute(sql)


@pytest.mark.parametrize("end", [RoundState.WAITING, RoundState.REFUSED])
def test_a_round_may_end_without_serving(scene: Scene, end: RoundState) -> None:
    scene.judge(scene.annotator(), Choice.A, scene.pair())
    created = scene.store.rounds.create(config={}, started_by=None)
    ended = scene.store.rounds.set_state(created.id, end, reason="Its answers are too long.")
    assert (ended.state, ended.reason) == (end, "Its answers are too long.")
    assert scene.store.rounds.unended() is None
