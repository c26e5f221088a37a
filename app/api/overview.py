"""REST for admins: how the loop stands, at a glance. Knows nothing of how any of it comes about."""

import asyncio
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.annotation.eval_feeder import Flaw
from app.annotation.set_aside import SetAside
from app.annotation.tries import Tries
from app.api.errors import refusals
from app.rounds.runner import RoundView
from app.services import Services
from data.activity.daily import Day
from data.annotation.answer_lengths import Lengths
from data.records import RoundState
from data.store import PreferenceStore
from data.versions.bradley_terry import ranking, wins
from data.versions.standing import VersionStatus
from data.versions.versions import BASE

_DAYS = 30
_MOST_OFFSET = 14 * 60  # minutes, the largest there is
_RECENT_ROUNDS = 30
_MOST_ASIDE = 50


class DayOut(BaseModel):
    """A calendar day and what was judged on it."""

    day: date
    judgments: int
    people: int


class RoundOut(BaseModel):
    """A round; accuracy: on held-out pairs, in 0-1, null without any. Times in ms since the Unix epoch."""

    id: int
    state: RoundState
    reason: str | None
    pairs: int
    accuracy: float | None
    created_at: int
    ended_at: int | None


class StrengthOut(BaseModel):
    """A version by all votes between versions: the share of pairs it would win against the base, 95 % interval."""

    version: str
    win_rate: float
    low: float
    high: float


class TriesOut(BaseModel):
    """Tries for pairs to train on since the server started: those that gave one, and why the others were dropped."""

    count: int
    pairs: int
    dropped: dict[Flaw, int]


class LengthsOut(BaseModel):
    """The newest stored answers of the serving version. cut_off: the share that a limit cut off; the rest in tokens."""

    answers: int
    cut_off: float
    median: float
    p90: int


class AsidePromptOut(BaseModel):
    """A prompt that is set aside. words: how it begins."""

    id: int
    words: str
    reason: str


class AsideOut(BaseModel):
    """Prompts that the model can never be asked, found so since the server started. prompts: the first fifty."""

    count: int
    by_reason: dict[str, int]
    prompts: list[AsidePromptOut]


class BackgroundOut(BaseModel):
    """Work that goes on in the background; last_error: what went wrong last, null if nothing is wrong."""

    name: str
    last_error: str | None


class OverviewOut(BaseModel):
    """How the loop stands.

    model: the base; model_license: what was found beside it, null where nothing was; decoding: how answers go through
    it, fast or slow, and why. ready: pairs that lie ready, of those wanted; trouble: why none can be made. tries,
    lengths, set_aside: what comes of sampling; lengths is null while the serving version has answered nothing.
    match_trouble: why none of the two versions that people compare; trial_trouble: why what the votes decided could not
    be done; trigger_trouble: why no round could start; backup_trouble: why no backup could be made.
    background: what goes on without being asked for, by name.
    strengths: of the versions that were voted on, oldest first.
    rounds: the newest, oldest first.
    waiting: versions that an admin is to decide on; on_trial: those that annotators compare with the serving one.
    flags: that stand on prompts in use. notes: what of the settings an admin should know.
    """

    champion: str
    serving_since: int
    model: str
    model_license: str | None
    decoding: str
    ready: int
    wanted: int
    trouble: str | None
    tries: TriesOut
    lengths: LengthsOut | None
    set_aside: AsideOut
    match_trouble: str | None
    trial_trouble: str | None
    trigger_trouble: str | None
    backup_trouble: str | None
    background: list[BackgroundOut]
    strengths: list[StrengthOut]
    days: list[DayOut]
    rounds: list[RoundOut]
    waiting: list[str]
    on_trial: list[str]
    flags: int
    notes: list[str]


def build_overview_api(services: Services) -> APIRouter:
    """The route of those who want to see all at once; to be included for admins only."""
    routes = APIRouter(tags=["overview"], responses=refusals())

    @routes.get("/overview")
    async def overview(
        offset_minutes: Annotated[int, Query(ge=-_MOST_OFFSET, le=_MOST_OFFSET)] = 0,
    ) -> OverviewOut:
        """How the loop stands; offset_minutes: how far the reader's clock is ahead of UTC, for his days."""
        return await asyncio.to_thread(_overview, services, offset_minutes)

    return routes


def _overview(services: Services, offset_minutes: int) -> OverviewOut:
    views = services.registry.all()
    [serving] = [view for view in views if view.standing is VersionStatus.SERVES]
    rounds = [services.rounds.view(entry.id) for entry in services.store.rounds.all()[:_RECENT_ROUNDS]]
    model = services.store.versions.base_model()
    assert model is not None  # the store of a server is bound to one
    return OverviewOut(
        champion=serving.version.name,
        serving_since=serving.servings[-1].since,
        model=model.name,
        model_license=model.license,
        decoding=services.engine.way,
        ready=services.feeder.ready,
        wanted=services.settings.buffer,
        trouble=services.feeder.loop.last_error,
        tries=_tries(services.feeder.tries),
        lengths=_lengths(services.store.lengths.of(serving.version.name)),
        set_aside=_set_aside(services.feeder.aside),
        match_trouble=services.eval_feeder.last_error,
        trial_trouble=services.trial.loop.last_error,
        trigger_trouble=services.triggers.loop.last_error,
        backup_trouble=services.backups.loop.last_error,
        background=[BackgroundOut(name=loop.name, last_error=loop.last_error) for loop in services.loops],
        strengths=_strengths(services.store, [view.version.name for view in views]),
        days=[_day(day) for day in services.store.daily.last(_DAYS, offset_minutes=offset_minutes)],
        rounds=[_round(view) for view in reversed(rounds)],
        waiting=[view.version.name for view in views if view.standing is VersionStatus.WAITS],
        on_trial=[view.version.name for view in views if view.standing is VersionStatus.ON_TRIAL],
        flags=services.store.flags.count(),
        notes=list(services.settings.limits.notes),
    )


def _tries(tries: Tries) -> TriesOut:
    return TriesOut(count=tries.count, pairs=tries.pairs, dropped=dict(tries.dropped))


def _lengths(lengths: Lengths | None) -> LengthsOut | None:
    if lengths is None:
        return None
    return LengthsOut(
        answers=lengths.answers,
        cut_off=lengths.cut_off / lengths.answers,
        median=lengths.median,
        p90=lengths.p90,
    )


def _set_aside(aside: SetAside) -> AsideOut:
    prompts = aside.prompts
    first = [AsidePromptOut(id=one.id, words=one.words, reason=one.reason) for one in prompts[:_MOST_ASIDE]]
    return AsideOut(count=len(prompts), by_reason=dict(aside.by_reason), prompts=first)


def _strengths(store: PreferenceStore, names: list[str]) -> list[StrengthOut]:
    rungs = {rung.version: rung for rung in ranking(store.comparisons.results(), BASE)}
    known = [rungs[name] for name in names if name in rungs and name != BASE]
    return [
        StrengthOut(version=rung.version, win_rate=wins(rung.elo), low=wins(rung.low), high=wins(rung.high))
        for rung in known
        if rung.elo is not None and rung.low is not None and rung.high is not None
    ]


def _day(day: Day) -> DayOut:
    return DayOut(day=day.day, judgments=day.judgments, people=day.people)


def _round(view: RoundView) -> RoundOut:
    entry = view.round
    return RoundOut(
        id=entry.id,
        state=entry.state,
        reason=entry.reason,
        pairs=entry.counts.get("train", 0),
        accuracy=view.manifest.report.heldout.accuracy if view.manifest else None,
        created_at=entry.created_at,
        ended_at=entry.ended_at,
    )
