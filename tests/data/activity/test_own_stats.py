from data.records import Choice, Verdict
from tests.data.scene import MINUTE, Scene


def test_ones_own_statistics_count_what_stands_in_the_sides_shown(scene: Scene) -> None:
    person = scene.annotator()
    for elapsed in (1_000, 4_000, 2_000):
        lease = scene.lease(person, scene.pair())
        key = f"key {next(scene.numbers)}"
        scene.store.judgments.record(person.id, lease.token, Verdict(Choice.A, 2, elapsed), idempotency_key=key)
    scene.clock.now += 25 * 60 * MINUTE
    scene.judge(person, Choice.TIE, scene.pair())
    stats = scene.store.stats.of(person.id)
    assert (stats.judgments, stats.last_day, stats.median_seconds) == (4, 1, 2.0)
    assert {choice: n for choice, n in stats.by_choice.items() if n} == {Choice.A: 3, Choice.TIE: 1}


def test_somebody_new_has_done_nothing(scene: Scene) -> None:
    stats = scene.store.stats.of(scene.annotator().id)
    assert (stats.judgments, stats.last_day, stats.median_seconds) == (0, 0, None)
