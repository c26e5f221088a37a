"""When a round is due: a table of cases, and what holds whatever the clock says."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.schedule import Due, NotDue, RoundSettings, Standing, due
from data.selection import SelectionRules

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=BERLIN)


def decided(now: datetime = NOON, *, judged: int = 60, pairs: int = 50, running: bool = False, **given: object):
    """The decision with a round that began at eight in the morning."""
    settings = RoundSettings.model_validate(given)
    last = NOON.replace(hour=8)
    return due(now, settings, Standing(pairs, judged, last, running))


def test_no_round_starts_by_itself_while_a_version_is_on_trial():
    standing = Standing(50, 60, NOON, running=False, on_trial="round-000001")
    found = due(NOON, RoundSettings(every_judgments=1), standing)
    assert said(found) == "round-000001 is on trial; no round starts by itself until that is decided."


def said(found: Due | NotDue) -> str:
    return found.by if isinstance(found, Due) else found.words.format(**found.values)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Rounds start by hand."),
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
def test_what_is_decided_at_noon(given: dict[str, object], words: str):
    assert said(decided(**given)) == words


@pytest.mark.parametrize(
    ("hour", "until"),
    [(22, datetime(2026, 11, 24, 7, tzinfo=BERLIN)), (3, datetime(2026, 11, 23, 7, tzinfo=BERLIN)), (7, None)],
)
def test_quiet_hours_go_over_midnight(hour: int, until: datetime | None):
    settings = RoundSettings(every_judgments=1, quiet_hours="22:00-07:00")
    found = due(NOON.replace(hour=hour), settings, Standing(50, 60, NOON - timedelta(days=2), running=False))
    assert (found.until if isinstance(found, NotDue) else None) == until


def test_a_time_that_the_clock_skips_in_spring_comes_all_the_same():
    last = datetime(2027, 3, 28, 1, 0, tzinfo=BERLIN)  # at two it becomes three
    settings = RoundSettings(cron="30 2 * * *")
    standing = Standing(50, 60, last, running=False)
    assert isinstance(due(last + timedelta(minutes=30), settings, standing), NotDue)
    assert isinstance(due(datetime(2027, 3, 29, 2, 30, tzinfo=BERLIN), settings, standing), Due)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


@given(moments, st.floats(0.1, 1000), st.floats(0, 2000))
def test_an_interval_is_due_exactly_when_it_is_over(last: datetime, hours: float, passed: float):
    found = due(last + timedelta(hours=passed), RoundSettings(every_hours=hours), Standing(50, 60, last, running=False))
    assert isinstance(found, Due) is (last + timedelta(hours=hours) <= last + timedelta(hours=passed))


@given(moments, st.times(), st.times())
def test_a_quiet_time_ends_within_a_day_and_then_the_round_is_due(now: datetime, begin: object, end: object):
    hours = f"{begin:%H:%M}-{end:%H:%M}"
    settings = RoundSettings(every_judgments=1, quiet_hours=hours)
    standing = Standing(50, 60, now - timedelta(hours=1), running=False)
    found = due(now, settings, standing)
    if isinstance(found, NotDue):
        assert found.until is not None
        assert now < found.until <= now + timedelta(days=1)
        assert isinstance(due(found.until, settings, standing), Due)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cron": "whenever"}, "whenever is no cron time"),
        ({"cron": "0 3 * * 1 2026"}, "it has five fields"),
        ({"cron": "61 3 * * 1"}, "is no cron time"),
        ({"quiet_hours": "22-7"}, "22-7 are no hours; write for example 22:00-07:00"),
        ({"quiet_hours": "24:00-07:00"}, "are no hours"),
        ({"replay": 0.5}, "since_last = true"),
        ({"every_judgments": 0}, "greater than 0"),
        ({"least_strength": 4}, "less than or equal to 3"),
    ],
)
def test_a_bad_setting_is_explained(given: dict[str, object], words: str):
    with pytest.raises(ValidationError, match=words):
        RoundSettings.model_validate(given)


def test_the_rules_of_selection_are_those_of_the_store():
    settings = RoundSettings(since_last=True, replay=0.25, agreement=0.75, least_strength=2)
    assert settings.selection == SelectionRules(True, 0.25, 0.75, 2)
    assert RoundSettings().selection == SelectionRules()
