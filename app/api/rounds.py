"""REST for admins: what starts rounds, what one would use; start, watch, cancel, resume. Knows nothing of training."""

import asyncio
from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from app.api.audit import act, audited
from app.api.auth import Admin
from app.api.errors import Id
from app.api.report_schema import NoteOut
from app.rounds.algorithms import Algorithm
from app.rounds.runner import RoundRunner, RoundView
from app.rounds.schedule import Due, NotDue
from app.rounds.triggers import Triggers
from data.activity.audit import AuditAct
from data.errors import NotFoundError
from data.records import Outline, Round, RoundState
from data.store import PreferenceStore


class RoundIn(BaseModel):
    """A round to start. algorithm: the configured one, if None."""

    model_config = ConfigDict(extra="forbid")
    algorithm: Algorithm | None = None


class StartedOut(BaseModel):
    """A round that has started. id: null for one that waits until the one under way has ended."""

    id: int | None
    state: RoundState
    counts: dict[str, int]
    sha256: str | None


class EntryOut(BaseModel):
    """A round in a list.

    cause: what began it; waited: whether another ran when it was asked for; sha256: of what it was trained on.
    """

    id: int
    state: RoundState
    reason: str | None
    cause: str
    waited: bool
    sha256: str | None
    created_at: int
    ended_at: int | None


class AlgorithmOut(BaseModel):
    """An algorithm; label: what people call it."""

    name: Algorithm
    label: str


class RoundPreviewOut(BaseModel):
    """What a round would use: pairs that train, held-out ones, pairs of two bad answers (which only KTO trains on).

    excluded: judgments left out, by reason. flip_rate: the share of flipped votes, null while it is not known. sha256:
    of what was selected; the round that it becomes has the same. rules: those of [rounds] that select. waits: what the
    next round waits for that starts by itself, in words, and until when, if the clock alone decides. waiting: whether
    one that was asked for waits for another to end; trouble: why none could start. algorithm: what it trains by unless
    somebody chooses another of `algorithms`.
    """

    train: int
    heldout: int
    both_bad: int
    judgments: int
    excluded: dict[str, int]
    flip_rate: float | None
    sha256: str
    rules: dict[str, float | bool]
    waits: NoteOut
    until: datetime | None
    waiting: bool
    trouble: str | None
    algorithm: Algorithm
    algorithms: list[AlgorithmOut]


def build_rounds_api(store: PreferenceStore, rounds: RoundRunner, triggers: Triggers) -> APIRouter:
    """The routes under /rounds."""
    routes = APIRouter(prefix="/rounds", tags=["rounds"], route_class=audited(store.audit))

    @routes.post("", status_code=201, responses={202: {"model": StartedOut}})
    @act(AuditAct.START_ROUND)
    async def start_round(me: Admin, answer: Response, body: RoundIn | None = None) -> StartedOut:
        """Freeze what has been judged and train on it; while another round runs, wait for that (202)."""
        started = await triggers.ask(me, body.algorithm if body else None)
        if started is None:
            answer.status_code = 202
            return StartedOut(id=None, state=RoundState.QUEUED, counts={}, sha256=None)
        return _started(started)

    @routes.get("")
    def history() -> list[EntryOut]:
        """All rounds, newest first."""
        return [_entry(entry) for entry in store.rounds.all()]

    @routes.get("/preview")
    async def preview() -> RoundPreviewOut:
        """What a round would use now, and what the next one waits for."""
        return await asyncio.to_thread(_preview, store, rounds.configured, triggers)

    @routes.delete("/waiting", status_code=204)
    @act(AuditAct.WITHDRAW_ROUND)
    async def withdraw_round() -> None:
        """Forget the round that waits for another to end."""
        if not await triggers.withdraw():
            raise NotFoundError("no round waits")

    @routes.get("/{round_id}")
    def state(round_id: Id) -> dict[str, object]:
        """A round with its progress, and its report once it has one."""
        return _round(rounds.view(round_id))

    @routes.post("/{round_id}/cancel")
    @act(AuditAct.CANCEL_ROUND)
    async def cancel_round(round_id: Id) -> dict[str, object]:
        """Stop a round that trains."""
        await rounds.cancel(round_id)
        return {"id": round_id}

    @routes.post("/{round_id}/resume", status_code=201)
    @act(AuditAct.RESUME_ROUND)
    async def resume_round(round_id: Id) -> StartedOut:
        """Let a round that failed or was cancelled go on from its last checkpoint."""
        return _started(await rounds.take_up(round_id))

    return routes


def _started(entry: Round) -> StartedOut:
    return StartedOut(id=entry.id, state=entry.state, counts=entry.counts, sha256=entry.sha256)


def _entry(entry: Round) -> EntryOut:
    return EntryOut(
        id=entry.id,
        state=entry.state,
        reason=entry.reason,
        cause=entry.cause,
        waited=entry.waited,
        sha256=entry.sha256,
        created_at=entry.created_at,
        ended_at=entry.ended_at,
    )


def _preview(store: PreferenceStore, configured: Algorithm, triggers: Triggers) -> RoundPreviewOut:
    outline: Outline = triggers.outline()
    outlook = triggers.outlook()
    return RoundPreviewOut(
        train=outline.train,
        heldout=outline.heldout,
        both_bad=outline.both_bad,
        judgments=outline.judgments,
        excluded=dict(outline.excluded),
        flip_rate=outline.flip_rate,
        sha256=outline.sha256,
        rules=triggers.rules,
        waits=_waits(outlook),
        until=outlook.until if isinstance(outlook, NotDue) else None,
        waiting=store.requests.waiting() is not None,
        trouble=triggers.loop.last_error,
        algorithm=configured,
        algorithms=[AlgorithmOut(name=known, label=known.label) for known in Algorithm],
    )


def _waits(outlook: Due | NotDue) -> NoteOut:
    if isinstance(outlook, Due):
        return NoteOut(words="A round is about to start.")
    return NoteOut(words=outlook.words, values=dict(outlook.values))


def _round(view: RoundView) -> dict[str, object]:
    return {
        "id": view.round.id,
        "state": view.round.state,
        "reason": view.round.reason,
        "cause": view.round.cause,
        "counts": view.round.counts,
        "sha256": view.round.sha256,
        "rules": view.round.rules,
        "progress": view.progress,
        "last": view.metrics[-1] if view.metrics else None,
        "report": view.manifest.report if view.manifest else None,
        "evaluation": view.manifest.evaluation if view.manifest else None,
    }
