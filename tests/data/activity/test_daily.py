from datetime import UTC, date, datetime

from data.activity.daily import Day
from data.records import Choice
from tests.data.scene import MINUTE, Scene

HOUR = 60 * MINUTE
NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp() * 1000)


def test_every_day_is_listed_up_to_today(scene: Scene) -> None:
    scene.clock.now = NOON
    assert scene.store.daily.last(3) == [Day(date(2026, 3, day), 0, 0) for day in (8, 9, 10)]


def test_judgments_are_counted_on_their_day_with_who_gave_them(scene: Scene) -> None:
    ann, ben = scene.annotator(), scene.annotator()
    scene.clock.now = NOON - 48 * HOUR
    for person in (ann, ann, ben):
        scene.judge(person, Choice.A, scene.pair())
    scene.clock.now = NOON
    scene.judge(ann, Choice.TIE, scene.pair())
    assert [(day.judgments, day.people) for day in scene.store.daily.last(3)] == [(3, 2), (0, 0), (1, 1)]
    assert [day.judgments for day in scene.store.daily.last(2)] == [0, 1]


def test_what_was_taken_back_does_not_count(scene: Scene) -> None:
    ann = scene.annotator()
    scene.judge(ann, Choice.A, scene.pair())
    scene.undo(ann)
    assert [day.judgments for day in scene.store.daily.last(1)] == [0]


def test_a_day_begins_at_the_reader_s_midnight(scene: Scene) -> None:
    scene.clock.now = NOON - 13 * HOUR  # 23:00 of the day before in UTC, 01:00 of the day two hours further east
    scene.judge(scene.annotator(), Choice.A, scene.pair())
    scene.clock.now = NOON
    assert [day.judgments for day in scene.store.daily.last(2)] == [1, 0]
    assert [day.judgments for day in scene.store.daily.last(2, offset_minutes=120)] == [0, 1]
