"""REST for admins: start rounds, see what one would use, watch and cancel them. Knows nothing of training."""

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from app.algorithms import Algorithm
from app.audited import audited
from app.callers import Admin
from app.refusals import Id
from app.rounds import Rounds, RoundView
from data.records import Snapshot
from data.store import PreferenceStore


class RoundIn(BaseModel):
    """A round to start. algorithm: the configured one, if None."""

    model_config = ConfigDict(extra="forbid")
    algorithm: Algorithm | None = None


class PreviewOut(BaseModel):
    """What a round would use: pairs that train, held-out ones, pairs of two bad answers.

    excluded: judgments left out, by reason. flip_rate: the share of flipped votes, null while it is not known.
    """

    train: int
    heldout: int
    both_bad: int
    excluded: dict[str, int]
    flip_rate: float | None


def build_rounds_api(store: PreferenceStore, rounds: Rounds) -> APIRouter:
    """The routes under /rounds."""
    routes = APIRouter(prefix="/rounds", tags=["rounds"], route_class=audited(store.audit))

    @routes.post("", status_code=201)
    async def start_round(me: Admin, body: RoundIn | None = None) -> dict[str, object]:
        """Freeze what has been judged and train on it."""
        created = await rounds.start(me, algorithm=body.algorithm if body else None)
        return {"id": created.id, "state": created.state, "counts": created.counts}

    @routes.get("")
    def history() -> list[dict[str, object]]:
        """All rounds, newest first."""
        return [{"id": r.id, "state": r.state, "reason": r.reason} for r in store.rounds.all()]

    @routes.get("/preview")
    async def preview() -> PreviewOut:
        """What a round would use now."""
        return _preview(await asyncio.to_thread(rounds.preview))

    @routes.get("/{round_id}")
    def state(round_id: Id) -> dict[str, object]:
        """A round with its progress, and its report once it has one."""
        return _round(rounds.view(round_id))

    @routes.post("/{round_id}/cancel")
    async def cancel_round(round_id: Id) -> dict[str, object]:
        """Stop a round that trains."""
        await rounds.cancel(round_id)
        return {"id": round_id}

    return routes


def _preview(snapshot: Snapshot) -> PreviewOut:
    """A snapshot that is not frozen, in numbers."""
    return PreviewOut(
        train=len(snapshot.train),
        heldout=len(snapshot.heldout),
        both_bad=len(snapshot.both_bad),
        excluded=snapshot.excluded,
        flip_rate=snapshot.flip_rate,
    )


def _round(view: RoundView) -> dict[str, object]:
    return {
        "id": view.round.id,
        "state": view.round.state,
        "reason": view.round.reason,
        "counts": view.round.counts,
        "progress": view.progress,
        "last": view.metrics[-1] if view.metrics else None,
        "report": view.manifest.report if view.manifest else None,
    }
