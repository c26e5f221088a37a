"""Decide when a round starts automatically: the settings `[rounds]`, and a pure function of them and the store's state.

app/rounds/triggers.py collects the inputs and starts the rounds.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Annotated

from croniter import CroniterBadDateError, CroniterError, croniter
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from data.barring.reading_speed import SKIMMING
from data.rounds.selection_rules import SelectionRules
from data.support.settings_types import Above, Fraction, Positive, Strict

_TEN_YEARS = 10 * 365 * 24
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _good_cron(given: str) -> str:
    try:
        if len(given.split()) != 5:
            raise CroniterError("it has five fields: minute, hour, day, month, day of the week")
        croniter(given).get_next()
    except CroniterBadDateError as error:
        words = "{given} is a cron expression that never matches; write for example 0 3 * * 1, Mondays at three"
        raise PydanticCustomError("cron", words, {"given": given}) from error
    except CroniterError as error:
        words = "{given} is not a valid cron expression ({why}); write for example 0 3 * * 1, Mondays at three"
        raise PydanticCustomError("cron", words, {"given": given, "why": str(error)}) from error
    return given


def _good_hours(given: str) -> str:
    if not _QUIET.fullmatch(given):
        raise PydanticCustomError(
            "quiet", "{given} is not a range of hours; write for example 22:00-07:00", {"given": given}
        )
    return given


class RoundSettings(Strict):
    """When rounds start automatically, and which judgments they use.

    every_judgments: after this many decisive judgments on training pairs since the last round; every_hours: hours since
    it started; cron: in local time. least_pairs: training pairs needed for an automatic start. quiet_hours: local time
    without automatic starts. too_fast: as in data.barring.barring.Barring; the rest as in
    data.rounds.selection_rules.SelectionRules.
    """

    every_judgments: Positive | None = None
    every_hours: Annotated[Above, Field(le=_TEN_YEARS)] | None = None
    cron: Annotated[str, AfterValidator(_good_cron)] | None = None
    least_pairs: Positive = 10
    quiet_hours: Annotated[str, AfterValidator(_good_hours)] | None = None
    since_last: bool = False
    replay: Fraction = 0.0
    agreement: Fraction = 0.0
    least_strength: Annotated[float, Field(ge=1, le=3)] = 1.0
    too_fast: Annotated[float, Field(ge=0)] = SKIMMING

    @model_validator(mode="after")
    def _replay_needs_since_last(self) -> "RoundSettings":
        if self.replay and not self.since_last:
            words = "rounds.replay is a share of the older pairs, which all rounds use unless since_last = true"
            raise PydanticCustomError("replay", words)
        return self

    @property
    def selection(self) -> SelectionRules:
        """The rules that select a round's pairs."""
        return SelectionRules(self.since_last, self.replay, self.agreement, self.least_strength)

    @property
    def automatic(self) -> bool:
        """Whether rounds start automatically at all."""
        return bool(self.every_judgments or self.every_hours or self.cron)


@dataclass(frozen=True, slots=True)
class ScheduleInputs:
    """Inputs of the decision: training pairs a round would use; decisive judgments since the last round started; when
    that was (local time; the server's first start if there was none); whether a round runs; the version in trial.
    """

    pairs: int
    judged: int
    last: datetime
    running: bool
    on_trial: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A round is to start now. by: the setting that triggered it."""

    by: str


@dataclass(frozen=True, slots=True)
class NotDue:
    """Why no round is to start now, as a message template and its values; until: when that may change by time alone."""

    words: str
    values: Mapping[str, str | int] = field(default_factory=dict)
    until: datetime | None = None


def due(now: datetime, settings: RoundSettings, standing: ScheduleInputs) -> Due | NotDue:
    """Decide whether a round is to start; now and standing.last: local times of one zone that has its summer time."""
    if not settings.automatic:
        return NotDue("Rounds are started manually.")
    if standing.running:
        return NotDue("A round is under way.")
    if standing.on_trial:  # the new version would replace it before the trial has decided
        words = "{version} is in trial; no round starts by itself until that is decided."
        return NotDue(words, {"version": standing.on_trial})
    asking = list(_triggers(now, settings, standing))
    ready = [trigger for trigger in asking if trigger.at is not None and trigger.at <= now]
    if not ready:
        times = [trigger.at for trigger in asking if trigger.at is not None]
        waiting = min(asking, key=lambda trigger: (trigger.at is not None, trigger.at or now))
        until = min(times).astimezone(now.tzinfo) if times else None
        return NotDue(waiting.words, waiting.values, until)
    return _held(now, settings, standing) or Due(ready[0].by)


def _held(now: datetime, settings: RoundSettings, standing: ScheduleInputs) -> NotDue | None:
    """Return what prevents a round that a trigger asks for; None if nothing does."""
    if standing.judged == 0:
        return NotDue("Nothing has been judged since the last round.")
    if standing.pairs < settings.least_pairs:
        missing = settings.least_pairs - standing.pairs
        return NotDue("The next round waits for {count} more training pairs.", {"count": missing})
    if quiet := _quiet_until(now, settings.quiet_hours):
        return NotDue("No round starts before {time}: quiet hours.", {"time": f"{quiet:%H:%M}"}, quiet)
    return None


@dataclass(frozen=True, slots=True)
class _Trigger:
    """A trigger. at: when it asks for a round, in UTC; None if time alone does not decide that. words: what it awaits.

    UTC, since Python compares two times of the same zone by local time, in which one hour occurs twice in autumn.
    """

    at: datetime | None
    by: str
    words: str
    values: Mapping[str, str | int]


def _triggers(now: datetime, settings: RoundSettings, standing: ScheduleInputs) -> Iterator[_Trigger]:
    if settings.every_judgments:
        missing = settings.every_judgments - standing.judged
        yield _Trigger(
            None if missing > 0 else now.astimezone(UTC),
            f"every {settings.every_judgments} judgments",
            "The next round waits for {count} more decisive judgments.",
            {"count": missing},
        )
    if settings.every_hours:
        at = standing.last.astimezone(UTC) + timedelta(hours=settings.every_hours)
        yield _timed(at, f"every {settings.every_hours:g} hours", now)
    if settings.cron:
        yield _timed(_next(settings.cron, standing.last), f"cron {settings.cron}", now)


def _timed(at: datetime, by: str, now: datetime) -> _Trigger:
    return _Trigger(at, by, "The next round starts at {time}.", {"time": f"{at.astimezone(now.tzinfo):%Y-%m-%d %H:%M}"})


def _next(cron: str, last: datetime) -> datetime:
    """Return the first cron time after a local time, in UTC.

    In local time: a time skipped in spring comes one hour later; of a time that occurs twice in autumn, the first
    counts.
    """
    after = last.astimezone(UTC)
    times = croniter(cron, last.replace(tzinfo=None))
    while (at := times.get_next(datetime).replace(tzinfo=last.tzinfo).astimezone(UTC)) <= after:
        pass
    return at


def _quiet_until(now: datetime, hours: str | None) -> datetime | None:
    """Return when the current quiet hours end; None outside of them. They may span midnight."""
    if hours is None:
        return None
    begin, end = (time.fromisoformat(part) for part in hours.split("-"))
    clock = now.time()
    held = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not held:
        return None
    day = now.date() if clock < end else now.date() + timedelta(days=1)
    return datetime.combine(day, end, now.tzinfo).replace(fold=now.fold)
