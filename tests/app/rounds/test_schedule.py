"""When a round is due: a table of cases, and what holds whatever the clock says."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.rounds.local_zone import LOCAL
from app.rounds.schedule import Due, NotDue, RoundSettings, ScheduleInputs, due
from data.rounds.selection_rules import SelectionRules
from tests.app.berlin import BERLIN, in_berlin  # noqa: F401  # a fixture

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=BERLIN)


def decided(now: datetime = NOON, *, judged: int = 60, pairs: int = 50, running: bool = False, **given: object):
    """The decision with a round that began at eight in the morning."""
    settings = RoundSettings.model_validate(given)
    last = NOON.replace(hour=8)
    return due(now, settings, ScheduleInputs(pairs, judged, last, running))


def test_no_round_starts_by_itself_while_a_version_is_on_trial():
    standing = ScheduleInputs(50, 60, NOON, running=False, on_trial="round-000001")
    found = due(NOON, RoundSettings(every_judgments=1), standing)
    assert said(found) == "round-000001 is in trial; no round starts by itself until that is decided."


def said(found: Due | NotDue) -> str:
    return found.by if isinstance(found, Due) else found.words.format(**found.values)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Rounds are started manually."),
        ({"every_judgments": 60}, "every 60 judgments"),
        ({"every_judgments": 61}, "The next round waits for 1 more decisive judgments."),
        ({"every_hours": 4}, "every 4 hours"),
        ({"every_hours": 4.5}, "The next round starts at 2026-11-23 12:30."),
        ({"cron": "0 12 * * *"}, "cron 0 12 * * *"),
        ({"cron": "1 12 * * *"}, "The next round starts at 2026-11-23 12:01."),
        ({"cron": "0 3 * * 1"}, "The next round starts at 2026-11-30 03:00."),
        ({"every_judgments": 99, "every_hours": 1}, "every 1 hours"),
        ({"every_judgments": 99, "every_hours": 9}, "The next round waits for 39 more decisive judgments."),
        ({"every_judgments": 1, "running": True}, "A round is under way."),
        ({"every_hours": 1, "judged": 0}, "Nothing has been judged since the last round."),
        ({"every_hours": 1, "pairs": 9}, "The next round waits for 1 more training pairs."),
        ({"every_hours": 1, "pairs": 9, "least_pairs": 9}, "every 1 hours"),
        ({"every_hours": 1, "quiet_hours": "11:00-13:00"}, "No round starts before 13:00: quiet hours."),
        ({"every_hours": 1, "quiet_hours": "12:01-11:59"}, "every 1 hours"),
        ({"every_hours": 1, "quiet_hours": "22:00-12:30"}, "No round starts before 12:30: quiet hours."),
    ],
)
def test_what_is_decided_at_noon(given: dict[str, Any], words: str):
    assert said(decided(**given)) == words


@pytest.mark.parametrize(
    ("hour", "until"),
    [(22, datetime(2026, 11, 24, 7, tzinfo=BERLIN)), (3, datetime(2026, 11, 23, 7, tzinfo=BERLIN)), (7, None)],
)
def test_quiet_hours_go_over_midnight(hour: int, until: datetime | None):
    settings = RoundSettings(every_judgments=1, quiet_hours="22:00-07:00")
    found = due(NOON.replace(hour=hour), settings, ScheduleInputs(50, 60, NOON - timedelta(days=2), running=False))
    assert (found.until if isinstance(found, NotDue) else None) == until


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize("zone", [LOCAL, BERLIN], ids=["the machine's", "by name"])
class TestWhenSummerTimeBeginsOrEnds:
    def starts(self, last: datetime, until: datetime, **given: object) -> list[datetime]:
        """When rounds start by the settings, asked every ten minutes; each begins as soon as it is due."""
        settings, found = RoundSettings.model_validate(given), []
        now = last.astimezone(UTC)
        while now < until.astimezone(UTC):
            now += timedelta(minutes=10)
            here = now.astimezone(last.tzinfo)
            if isinstance(due(here, settings, ScheduleInputs(50, 60, last, running=False)), Due):
                last = here
                found.append(now)
        return found

    @pytest.mark.parametrize(
        ("cron", "hours"),
        [
            ("0 3 * * *", [(24, 1), (25, 2), (26, 2)]),  # UTC; on the 25th three o'clock becomes two
            ("30 2 * * *", [(24, 0), (25, 0), (26, 1)]),  # twice on the clock, once a round
            ("0 3 * * 1", [(26, 2)]),
            ("0 3 * * 0", [(25, 2)]),
        ],
    )
    def test_in_autumn_a_cron_time_comes_once_a_day(self, zone: tzinfo, cron: str, hours: list[tuple[int, int]]):
        begun = self.starts(datetime(2026, 10, 23, 12, tzinfo=zone), datetime(2026, 10, 26, 12, tzinfo=zone), cron=cron)
        assert [(at.day, at.hour) for at in begun] == hours

    @pytest.mark.parametrize(
        ("cron", "hours"),
        [
            ("0 3 * * *", [(28, 2), (29, 1), (30, 1)]),  # UTC; on the 29th two o'clock becomes three
            ("30 2 * * *", [(28, 1), (29, 1), (30, 0)]),  # not on the clock, and yet
            ("0 3 * * 1", [(30, 1)]),
        ],
    )
    def test_in_spring_a_time_that_the_clock_skips_comes_all_the_same(
        self, zone: tzinfo, cron: str, hours: list[tuple[int, int]]
    ):
        begun = self.starts(datetime(2026, 3, 27, 12, tzinfo=zone), datetime(2026, 3, 30, 12, tzinfo=zone), cron=cron)
        assert [(at.day, at.hour) for at in begun] == hours

    def test_a_round_begun_in_the_second_hour_does_not_bring_the_first_back(self, zone: tzinfo):
        last = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=zone)
        found = due(last + timedelta(minutes=30), RoundSettings(cron="30 2 * * *"), ScheduleInputs(50, 60, last, False))
        assert said(found) == "The next round starts at 2026-10-26 02:30."

    @pytest.mark.parametrize("last", [datetime(2026, 3, 28, 22), datetime(2026, 10, 24, 22)])
    def test_an_interval_is_as_long_as_it_says(self, zone: tzinfo, last: datetime):
        last = last.replace(tzinfo=zone)
        [begun, *_] = self.starts(last, last + timedelta(days=1), every_hours=8)
        assert begun - last.astimezone(UTC) == timedelta(hours=8)

    @pytest.mark.parametrize(
        ("now", "until"),
        [
            (datetime(2026, 10, 25, 1), datetime(2026, 10, 25, 6, tzinfo=UTC)),
            (datetime(2026, 10, 25, 2, 30, fold=1), datetime(2026, 10, 25, 6, tzinfo=UTC)),
            (datetime(2026, 3, 29, 1), datetime(2026, 3, 29, 5, tzinfo=UTC)),
        ],
    )
    def test_quiet_hours_end_by_the_clock_on_the_wall(self, zone: tzinfo, now: datetime, until: datetime):
        now = now.replace(tzinfo=zone)
        settings = RoundSettings(every_judgments=1, quiet_hours="22:00-07:00")
        found = due(now, settings, ScheduleInputs(50, 60, now - timedelta(days=1), running=False))
        assert isinstance(found, NotDue)
        assert found.until == until
        assert said(found) == "No round starts before 07:00: quiet hours."

    def test_quiet_hours_that_end_in_the_hour_that_comes_twice_end_in_both(self, zone: tzinfo):
        settings = RoundSettings(every_judgments=1, quiet_hours="22:00-02:30")
        now = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=zone)
        found = due(now, settings, ScheduleInputs(50, 60, now - timedelta(days=1), running=False))
        assert isinstance(found, NotDue)
        assert found.until is not None
        assert found.until.astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


@given(moments, st.floats(0.1, 1000), st.floats(0, 2000))
def test_an_interval_is_due_exactly_when_it_is_over(last: datetime, hours: float, passed: float):
    found = due(
        last + timedelta(hours=passed), RoundSettings(every_hours=hours), ScheduleInputs(50, 60, last, running=False)
    )
    assert isinstance(found, Due) is (last + timedelta(hours=hours) <= last + timedelta(hours=passed))


@given(moments, st.times(), st.times())
def test_a_quiet_time_ends_within_a_day_and_then_the_round_is_due(now: datetime, begin: object, end: object):
    hours = f"{begin:%H:%M}-{end:%H:%M}"
    settings = RoundSettings(every_judgments=1, quiet_hours=hours)
    standing = ScheduleInputs(50, 60, now - timedelta(hours=1), running=False)
    found = due(now, settings, standing)
    if isinstance(found, NotDue):
        assert found.until is not None
        assert now < found.until <= now + timedelta(days=1)
        assert isinstance(due(found.until, settings, standing), Due)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cron": "whenever"}, "whenever is not a valid cron expression"),
        ({"cron": "0 3 * * 1 2026"}, "it has five fields"),
        ({"cron": "61 3 * * 1"}, "is not a valid cron expression"),
        ({"cron": "0 0 30 2 *"}, "0 0 30 2 \\* is a cron expression that never matches; write for example"),
        ({"every_hours": 1e9}, "less than or equal to 87600"),
        ({"every_hours": float("inf")}, "less than or equal to 87600"),
        ({"every_hours": float("nan")}, "every_hours"),
        ({"quiet_hours": "22-7"}, "22-7 is not a range of hours; write for example 22:00-07:00"),
        ({"quiet_hours": "24:00-07:00"}, "is not a range of hours"),
        ({"replay": 0.5}, "since_last = true"),
        ({"every_judgments": 0}, "greater than 0"),
        ({"least_strength": 4}, "less than or equal to 3"),
    ],
)
def test_a_bad_setting_is_explained(given: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        RoundSettings.model_validate(given)


def test_the_rules_of_selection_are_those_of_the_store():
    settings = RoundSettings(since_last=True, replay=0.25, agreement=0.75, least_strength=2)
    assert settings.selection == SelectionRules(True, 0.25, 0.75, 2)
    assert RoundSettings().selection == SelectionRules()
