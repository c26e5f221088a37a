"""REST for admins: versions, what became of them, and what shall. Knows nothing of how a version is served."""

import asyncio
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from app.api.audit import act, audited
from app.api.auth import AdminOrOwner
from app.api.errors import Body, refusals
from app.serving.adapter_store import AdapterStore
from app.versions.registry import AdapterView, ModelRegistry, adapter_files, adapter_views
from data.activity.audit import AuditAct
from data.records import Ruling
from data.store import PreferenceStore
from data.versions.standing import VersionStatus

VersionName = Annotated[str, InPath(max_length=64)]

_ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {"schema": {"type": "string"}}}}}


class VersionReasonIn(Body):
    """The reason for an act, for those who ask later."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class DecisionOut(BaseModel):
    """What was decided on a version; by: the admin's pseudonym, null for prefloop by its rules."""

    ruling: Ruling
    reason: str
    numbers: dict[str, float | int | str | None]
    by: str | None
    created_at: int


class ServingOut(BaseModel):
    """A time in which a version served, in ms since the Unix epoch; until is null while it does."""

    since: int
    until: int | None
    reason: str


class AdapterOut(BaseModel):
    """A version; parent: the one its training began from. decisions and servings: oldest first.

    prompt_format: the sha256 of the format that it was trained in, null if that is not known; old_format: it is not
    the one in which the model is asked now.
    """

    name: str
    standing: VersionStatus
    parent: str | None
    round: int | None
    sha256: str | None
    created_at: int
    decisions: list[DecisionOut]
    servings: list[ServingOut]
    prompt_format: str | None = None
    old_format: bool = False


class AdaptersOut(BaseModel):
    """All versions, oldest first; champion: the one that serves, null before the first start."""

    champion: str | None
    versions: list[AdapterOut]


class ChampionOut(BaseModel):
    """What serves from now on."""

    champion: str


def build_adapters_api(store: PreferenceStore, adapter_store: AdapterStore) -> APIRouter:
    """The routes of those who want to know what serves, or to have it; to be included for admins only."""
    routes = APIRouter(prefix="/adapters", tags=["adapters"], responses=refusals(404, 409, 503))
    handing_out = APIRouter(route_class=audited(store.audit))

    @routes.get("")
    def all_versions() -> AdaptersOut:
        """All versions, and which one serves."""
        return adapters_out(store)

    @handing_out.get("/{name}/files", response_class=FileResponse, responses=_ZIP)
    @act(AuditAct.DOWNLOAD_VERSION)
    async def download_version(name: VersionName) -> FileResponse:
        """A version as a zip of a directory that PEFT takes."""
        packed = await asyncio.to_thread(_pack, adapter_files(store, adapter_store, name), name)
        return FileResponse(
            packed, media_type="application/zip", filename=f"{name}.zip", background=BackgroundTask(packed.unlink)
        )

    routes.include_router(handing_out)
    return routes


def adapters_out(store: PreferenceStore) -> AdaptersOut:
    """All versions of a store as they are sent."""
    views = adapter_views(store)
    names = store.people.pseudonyms()
    champion = next((view.version.name for view in views if view.standing is VersionStatus.SERVES), None)
    return AdaptersOut(champion=champion, versions=[_out(view, names) for view in views])


def build_moves_api(store: PreferenceStore, adapters: ModelRegistry) -> APIRouter:
    """The routes of those who answer for what serves; to be included for admins only."""
    routes = APIRouter(
        prefix="/adapters", tags=["adapters"], responses=refusals(404, 409, 503), route_class=audited(store.audit)
    )

    @routes.post("/{name}/promote")
    @act(AuditAct.PROMOTE)
    async def promote(name: VersionName, body: VersionReasonIn, me: AdminOrOwner) -> ChampionOut:
        """Let a version serve: verified, loaded, proved by its canary, then swapped in."""
        await adapters.promote(name, reason=body.reason, actor_id=me.id)
        return ChampionOut(champion=name)

    @routes.post("/roll-back")
    @act(AuditAct.ROLL_BACK)
    async def roll_back(body: VersionReasonIn, me: AdminOrOwner) -> ChampionOut:
        """Serve again what served before, and refuse what serves now."""
        return ChampionOut(champion=await adapters.roll_back(reason=body.reason, actor_id=me.id))

    @routes.post("/{name}/try", status_code=204)
    @act(AuditAct.PUT_ON_TRIAL)
    async def put_on_trial(name: VersionName, body: VersionReasonIn, me: AdminOrOwner) -> None:
        """Let annotators compare a version with the one that serves, until their votes settle it."""
        await adapters.put_on_trial(name, reason=body.reason, actor_id=me.id)

    @routes.post("/{name}/refuse", status_code=204)
    @act(AuditAct.REFUSE)
    async def refuse(name: VersionName, body: VersionReasonIn, me: AdminOrOwner) -> None:
        """Decide that a version shall not serve; it can still be promoted later."""
        await adapters.rule(name, Ruling.REFUSE, reason=body.reason, actor_id=me.id)

    @routes.post("/{name}/retire", status_code=204)
    @act(AuditAct.RETIRE)
    async def retire(name: VersionName, body: VersionReasonIn, me: AdminOrOwner) -> None:
        """Put a version away for good; its files stay."""
        await adapters.rule(name, Ruling.RETIRE, reason=body.reason, actor_id=me.id)

    return routes


def _out(view: AdapterView, names: dict[int, str]) -> AdapterOut:
    return AdapterOut(
        name=view.version.name,
        standing=view.standing,
        parent=view.version.parent,
        round=view.version.round_id,
        sha256=view.version.sha256,
        created_at=view.version.created_at,
        decisions=[
            DecisionOut(
                ruling=decision.ruling,
                reason=decision.reason,
                numbers=dict(decision.numbers),
                by=None if decision.actor_id is None else names[decision.actor_id],
                created_at=decision.created_at,
            )
            for decision in view.decisions
        ],
        servings=[
            ServingOut(since=serving.since, until=serving.until, reason=serving.reason) for serving in view.servings
        ],
        prompt_format=view.version.prompt_format,
        old_format=view.old_format,
    )


def _pack(directory: Path, name: str) -> Path:
    """A zip of a version's directory; weights do not shrink, so nothing is compressed."""
    with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as packed, zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(directory.iterdir()):
            archive.write(file, f"{name}/{file.name}")
    return Path(packed.name)
