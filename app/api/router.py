"""REST, version 1: what pages do, for programs. The gate in front has already named the caller.

What annotators do is in annotate.py; the rest is for admins. Knows nothing of cookies or storage.
"""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app.api.account import build_account_api
from app.api.annotate import build_desk_api
from app.api.audit import act, audited
from app.api.auth import Caller, admin
from app.api.errors import LARGEST_ID, refusals
from app.api.overview import build_overview_api
from app.api.rebuilds import build_rebuilds_api
from app.api.round_records import build_round_records_api
from app.api.rounds import build_rounds_api
from app.api.settings import build_settings_api
from app.api.store_routes import store_routes
from app.api.trial import build_trial_api
from app.api.versions import build_moves_api
from app.datasets.export_order import ExportOrder, usual_query
from app.people.visitor import visitor_of
from app.services import Services
from app.serving.engine import SamplingJob, complete
from data.activity.audit import AuditAct
from data.records import Message, NewCompletion, Sampling, Split

MAX_ANSWERS = 8
MAX_JOBS = 1000
MAX_PROMPTS = 10_000

Seed = Annotated[int, Field(ge=0, le=LARGEST_ID)]


class LoginIn(BaseModel):
    """Who signs in."""

    login: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]


class JobIn(BaseModel):
    """A prompt to answer, once per seed."""

    messages: tuple[Message, ...]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MAX_ANSWERS)]


class CompletionsIn(BaseModel):
    """Answers to draw from a named version, for measuring."""

    version: str
    jobs: Annotated[tuple[JobIn, ...], Field(min_length=1, max_length=MAX_JOBS)]
    sampling: Sampling | None = None


_NDJSON: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}


def build_api(services: Services) -> APIRouter:
    """All routes under /api/v1."""
    api = APIRouter(prefix="/api/v1", responses=refusals(404, 409))
    api.include_router(_session_routes(services))
    api.include_router(build_desk_api(services.desk, services.feeder))
    api.include_router(build_account_api(services.accounts))
    for routes in (
        *_store_routes(services),
        build_overview_api(services),
        build_trial_api(services.store, services.trial, services.eval_feeder),
        build_settings_api(services.settings, services.training_settings),
        build_moves_api(services.store, services.registry),
        build_round_records_api(services.store, services.rounds),
        build_rounds_api(services.store, services.rounds, services.triggers),
        build_rebuilds_api(services.store, services.rebuilds),
        _operator_routes(services),
    ):
        api.include_router(routes, dependencies=[Depends(admin)])
    return api


def _store_routes(services: Services) -> list[APIRouter]:
    return store_routes(
        services.store,
        accounts=services.accounts,
        quality_cache=services.quality_cache,
        adapter_store=services.adapter_store,
        jobs=services.jobs,
        uploads=services.uploads,
        export_files=services.export_files,
        moved=services.feeder.wake,
    )


def _session_routes(services: Services) -> APIRouter:
    routes = APIRouter(tags=["session"])

    @routes.post("/session", responses=refusals(429))
    async def sign_in(body: LoginIn, request: Request) -> dict[str, str]:
        """A bearer token for a login and password."""
        visitor = visitor_of(request)
        token, annotator = await services.accounts.sign_in_queued(body.login, body.password, visitor)
        return {"token": token, "role": annotator.role}

    @routes.get("/session")
    async def who(me: Caller) -> dict[str, object]:
        """Who the caller is, and how many pairs he has judged."""
        return {"login": me.login, "role": me.role, "judgments": await services.desk.progress(me)}

    return routes


def _operator_routes(services: Services) -> APIRouter:
    routes = APIRouter(tags=["admin"])
    handing_out = APIRouter(route_class=audited(services.store.audit))

    @routes.post("/completions")
    async def completions(body: CompletionsIn) -> dict[str, Any]:
        """Answers by a named version, for measuring one version against another."""
        sampling = body.sampling or services.settings.sampling
        async with services.router.lease(body.version) as version:
            jobs = [SamplingJob(job.messages, version, job.seeds, sampling) for job in body.jobs]
            drawn = await asyncio.gather(*(complete(services.engine, job) for job in jobs))
        return {"version": version, "completions": [[_measured(c) for c in answers] for answers in drawn]}

    @handing_out.get("/export", response_class=StreamingResponse, responses=_NDJSON)
    @act(AuditAct.STREAM_PREFERENCES)
    def stream_preferences(format: Annotated[str, Query(max_length=40)] = "trl") -> StreamingResponse:
        """All preferences as JSON lines, but those that the format cannot hold; all of them are read first.

        POST /exports makes files, of other selections too, and counts what is left out.
        """
        order = ExportOrder(format=format, query=usual_query(format))
        order.check()
        lines = services.export_files.lines(order)
        return StreamingResponse(lines, media_type="application/x-ndjson", headers={"X-Format": format})

    @routes.get("/prompts")
    def prompts(split: Split, count: Annotated[int, Query(ge=1, le=MAX_PROMPTS)], seed: Seed = 0) -> dict[str, Any]:
        """A random sample of the prompts of a split."""
        return {"prompts": [p.messages for p in services.store.prompts.sample(split, count, seed)]}

    routes.include_router(handing_out)
    return routes


def _measured(completion: NewCompletion) -> dict[str, object]:
    return {
        "text": completion.text,
        "tokens": len(completion.token_ids),
        "seed": completion.seed,
        "finish_reason": completion.finish_reason,
        "reasoning": completion.reasoning,
        "reasoning_tokens": completion.reasoning_tokens,
    }
