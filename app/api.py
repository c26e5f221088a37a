"""REST, version 1: what pages do, for programs. The gate in front has already named the caller.

What an annotator gets here is blind: no model, no version, no side. Knows nothing of cookies or storage.
"""

import asyncio
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from app.algorithms import Algorithm
from app.rounds import RoundView
from app.services import Services
from app.serving.engine import Job, complete
from data.formats import trl
from data.records import (
    Annotator,
    Choice,
    Lease,
    Message,
    NewCompletion,
    Role,
    Sampling,
    ServingAction,
    Split,
    Verdict,
)

MAX_ANSWERS = 8
MAX_JOBS = 1000


class Credentials(BaseModel):
    """Who signs in."""

    login: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]


class NewAccount(Credentials):
    """An account to make."""

    role: Role = Role.ANNOTATOR


class JudgmentIn(BaseModel):
    """A judgment in the sides that were shown. The same key again is the same judgment."""

    lease: Annotated[str, Field(max_length=64)]
    key: Annotated[str, Field(min_length=8, max_length=64)]
    choice: Literal["a", "b", "tie", "both_bad", "skip"]
    strength: Annotated[int, Field(ge=1, le=3)] | None = None
    elapsed_ms: Annotated[int, Field(ge=0, le=86_400_000)] | None = None


class JobIn(BaseModel):
    """A prompt to answer, once per seed."""

    messages: tuple[Message, ...]
    seeds: Annotated[tuple[int, ...], Field(min_length=1, max_length=MAX_ANSWERS)]


class CompletionsIn(BaseModel):
    """Answers to draw from a named version, for measuring."""

    version: str
    jobs: Annotated[tuple[JobIn, ...], Field(min_length=1, max_length=MAX_JOBS)]
    sampling: Sampling | None = None


class RoundIn(BaseModel):
    """A round to start. algorithm: the configured one, if None."""

    model_config = ConfigDict(extra="forbid")
    algorithm: Algorithm | None = None


class Promotion(BaseModel):
    """Why a version shall serve."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


def caller(request: Request) -> Annotator:
    """Who calls; the gate lets nobody else through."""
    annotator: Annotator = request.state.annotator
    return annotator


def admin(annotator: Annotated[Annotator, Depends(caller)]) -> Annotator:
    """The caller, if an admin."""
    if annotator.role is not Role.ADMIN:
        raise HTTPException(403, "This needs an admin.")
    return annotator


Caller = Annotated[Annotator, Depends(caller)]
Admin = Annotated[Annotator, Depends(admin)]


def build_api(services: Services) -> APIRouter:
    """All routes under /api/v1."""
    api = APIRouter(prefix="/api/v1")
    api.include_router(_session_routes(services))
    api.include_router(_desk_routes(services))
    api.include_router(_round_routes(services), dependencies=[Depends(admin)])
    api.include_router(_operator_routes(services), dependencies=[Depends(admin)])
    return api


def _session_routes(services: Services) -> APIRouter:
    routes = APIRouter(tags=["session"])

    @routes.post("/session")
    def sign_in(body: Credentials, request: Request) -> dict[str, str]:
        """A bearer token for a login and password."""
        client = request.client.host if request.client else ""
        token, annotator = services.accounts.sign_in(body.login, body.password, client)
        return {"token": token, "role": annotator.role}

    @routes.get("/session")
    async def who(me: Caller) -> dict[str, object]:
        """Who the caller is, and how many pairs he has judged."""
        return {"login": me.login, "role": me.role, "judgments": await services.desk.progress(me)}

    return routes


def _desk_routes(services: Services) -> APIRouter:
    routes = APIRouter(tags=["annotate"])

    @routes.post("/next")
    async def next_pair(me: Caller) -> dict[str, object]:
        """The pair to judge, or {"lease": null, "trouble": ...} while none is ready."""
        lease = await services.desk.next(me)
        return {"lease": None, "trouble": services.feeder.trouble} if lease is None else _blind(lease)

    @routes.post("/judgments")
    async def judge(body: JudgmentIn, me: Caller) -> dict[str, object]:
        """Keep a judgment; once answered, it is on disk."""
        verdict = Verdict(Choice(body.choice), body.strength, body.elapsed_ms)
        judgment = await services.desk.judge(me, body.lease, verdict, body.key)
        return {"id": judgment.id, "choice": body.choice}

    @routes.post("/undo")
    async def undo(me: Caller) -> dict[str, object]:
        """Take the last judgment back; its pair comes again, with what had been said."""
        undone = await services.desk.undo(me)
        if undone is None:
            return {"lease": None}
        lease, judgment = undone
        return {**_blind(lease), "was": judgment.choice.mirrored if lease.swapped else judgment.choice}

    return routes


def _round_routes(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/rounds", tags=["rounds"])

    @routes.post("", status_code=201)
    async def start(me: Admin, body: RoundIn | None = None) -> dict[str, object]:
        """Freeze what has been judged and train on it."""
        created = await services.rounds.start(me, algorithm=body.algorithm if body else None)
        return {"id": created.id, "state": created.state, "counts": created.counts}

    @routes.get("")
    def history() -> list[dict[str, object]]:
        """All rounds, newest first."""
        return [{"id": r.id, "state": r.state, "reason": r.reason} for r in services.store.rounds.all()]

    @routes.get("/{round_id}")
    def state(round_id: int) -> dict[str, object]:
        """A round with its progress, and its report once it has one."""
        return _round(services.rounds.view(round_id))

    @routes.post("/{round_id}/cancel")
    async def cancel(round_id: int) -> dict[str, object]:
        """Stop a round that trains."""
        await services.rounds.cancel(round_id)
        return {"id": round_id}

    return routes


def _operator_routes(services: Services) -> APIRouter:
    routes = APIRouter(tags=["admin"])

    @routes.get("/adapters")
    def adapters() -> dict[str, Any]:
        """All versions, and which one serves."""
        names = [version.name for version in services.store.versions.all()]
        return {"champion": services.router.champion, "versions": names}

    @routes.post("/adapters/{name}/promote")
    async def promote(name: str, body: Promotion, me: Admin) -> dict[str, str]:
        """Serve a version: verified, loaded, proved by its canary, then swapped in."""
        await services.router.promote(name, action=ServingAction.ROLLBACK, actor_id=me.id, reason=body.reason)
        services.feeder.poke()
        return {"champion": services.router.champion}

    @routes.post("/completions")
    async def completions(body: CompletionsIn) -> dict[str, Any]:
        """Answers by a named version, for measuring one version against another."""
        sampling = body.sampling or services.settings.sampling
        async with services.router.lease(body.version) as version:
            jobs = [Job(job.messages, version, job.seeds, sampling) for job in body.jobs]
            drawn = await asyncio.gather(*(complete(services.engine, job) for job in jobs))
        return {"version": version, "completions": [[_measured(c) for c in answers] for answers in drawn]}

    @routes.get("/export")
    def export(format: Literal["trl"] = "trl") -> StreamingResponse:
        """All preferences as JSONL; the header X-Format echoes the layout."""
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in trl.rows(services.store.rounds.preferences()))
        return StreamingResponse(lines, media_type="application/x-ndjson", headers={"X-Format": format})

    @routes.get("/prompts")
    def prompts(split: Split, count: int, seed: int = 0) -> dict[str, Any]:
        """A random sample of the prompts of a split."""
        return {"prompts": [p.messages for p in services.store.prompts.sample(split, count, seed)]}

    @routes.post("/users", status_code=201)
    def add_user(body: NewAccount) -> dict[str, str]:
        """Make an account."""
        annotator = services.accounts.add(body.login, body.role, body.password)
        return {"login": annotator.login, "role": annotator.role}

    return routes


def _measured(completion: NewCompletion) -> dict[str, object]:
    return {"text": completion.text, "tokens": len(completion.token_ids), "seed": completion.seed}


def _blind(lease: Lease) -> dict[str, object]:
    """A lent pair as an annotator may see it."""
    a, b = lease.shown
    return {
        "lease": lease.token,
        "expires_at": lease.expires_at,
        "prompt": lease.pair.prompt.messages,
        "a": a.text,
        "b": b.text,
    }


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
