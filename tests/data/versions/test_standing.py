import pytest

from data.records import Ruling, ServingAction
from data.versions.standing import Serving, VersionStatus, before, servings, standings
from tests.data.scene import Scene


def of(scene: Scene, name: str) -> VersionStatus:
    store = scene.store
    return standings(store.versions.all(), store.decisions.all(), store.versions.serving_history())[name]


def before_in(scene: Scene) -> str | None:
    store = scene.store
    events = store.versions.serving_history()
    return before(standings(store.versions.all(), store.decisions.all(), events), events)


def serve(scene: Scene, name: str, reason: str = "because") -> None:
    scene.store.versions.record_serving(name, ServingAction.PROMOTE, actor_id=None, reason=reason)


def test_nothing_is_known_of_a_new_version(scene: Scene) -> None:
    scene.add_version("v1")
    assert of(scene, "v1") is VersionStatus.UNUSED


@pytest.mark.parametrize(
    ("ruling", "standing"),
    [
        (Ruling.WAIT, VersionStatus.WAITS),
        (Ruling.TRY, VersionStatus.ON_TRIAL),
        (Ruling.REFUSE, VersionStatus.REFUSED),
        (Ruling.RETIRE, VersionStatus.RETIRED),
    ],
)
def test_the_last_decision_says_where_a_version_stands(scene: Scene, ruling: Ruling, standing: VersionStatus) -> None:
    scene.add_version("v1")
    scene.store.decisions.add("v1", Ruling.WAIT, reason="first")
    scene.store.decisions.add("v1", ruling, reason="then")
    assert of(scene, "v1") is standing


def test_what_serves_serves_whatever_was_decided(scene: Scene) -> None:
    scene.add_version("v1")
    scene.store.decisions.add("v1", Ruling.REFUSE, reason="too long")
    serve(scene, "v1", "an admin knows better")
    assert of(scene, "v1") is VersionStatus.SERVES


def test_who_was_replaced_has_served_and_who_was_rolled_back_is_refused(scene: Scene) -> None:
    for name in ("v1", "v2"):
        scene.add_version(name)
        scene.store.decisions.add(name, Ruling.PROMOTE, reason="better")
        serve(scene, name)
    assert of(scene, "v1") is VersionStatus.SERVED
    scene.store.decisions.add("v2", Ruling.ROLL_BACK, reason="worse")
    serve(scene, "v1")
    assert of(scene, "v2") is VersionStatus.REFUSED


def test_before_the_first_start_nothing_has_served(scene: Scene) -> None:
    assert servings([]) == ()
    assert of(scene, "base") is VersionStatus.UNUSED


def test_servings_follow_on_each_other(scene: Scene) -> None:
    start = scene.clock.now
    serve(scene, "base", "first")
    scene.clock.now += 5
    scene.add_version("v1")
    serve(scene, "v1", "then")
    assert servings(scene.store.versions.serving_history()) == (
        Serving("base", start, start + 5, "first"),
        Serving("v1", start + 5, None, "then"),
    )


def test_to_go_back_is_to_what_served_last_of_what_may_serve_again(scene: Scene) -> None:
    assert before_in(scene) is None
    serve(scene, "base", "first")
    assert before_in(scene) is None
    for name in ("v1", "v2"):
        scene.add_version(name)
        serve(scene, name)
    assert before_in(scene) == "v1"
    scene.store.decisions.add("v1", Ruling.RETIRE, reason="old")
    assert before_in(scene) == "base"


def test_what_was_rolled_back_is_nothing_to_go_back_to(scene: Scene) -> None:
    serve(scene, "base", "first")
    scene.add_version("v1")
    serve(scene, "v1")
    scene.store.decisions.add("v1", Ruling.ROLL_BACK, reason="worse")
    serve(scene, "base", "again")
    assert before_in(scene) is None


def test_the_base_is_gone_back_to_though_it_was_rolled_back(scene: Scene) -> None:
    scene.add_version("v1")
    for name in ("base", "v1", "base"):
        serve(scene, name)
    scene.store.decisions.add("base", Ruling.ROLL_BACK, reason="worse")
    serve(scene, "v1", "again")
    assert of(scene, "base") is VersionStatus.SERVED
    assert before_in(scene) == "base"
