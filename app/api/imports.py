"""REST for admins: prompts and preferences from files. Knows nothing of how a file is read."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from app.api.audit import act, audited
from app.api.auth import AdminOrOwner
from app.api.disconnects import while_connected
from app.api.errors import Body, Id, refusals
from app.api.jobs import JobOut, job_out
from app.datasets.uploads import Upload, Uploads
from app.file_reading.look import Look
from data.activity.audit import AuditAct
from data.records import Choice, Import, ImportKind, ImportState, Message
from data.records.judged_pair import JudgedPair
from data.store import PreferenceStore

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_UPLOAD = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


class BadRowOut(BaseModel):
    """A row that would be left out."""

    number: int
    reason: str


class ShownOut(BaseModel):
    """One of the first good rows. a, b and choice: of a judged pair."""

    prompt: list[Message]
    a: str | None = None
    b: str | None = None
    choice: Choice | None = None


class LookOut(BaseModel):
    """What a file holds; nothing is kept yet. upload: to take it in by; unit: what rows are counted by."""

    upload: str
    name: str
    container: str
    format: str | None
    source: str
    license: str | None
    unit: str
    rows: int
    good: int
    bad: list[BadRowOut]
    shown: list[ShownOut]


class TakeIn(Body):
    """A file that was looked at, by what the look called it."""

    upload: _Name


class ImportOut(BaseModel):
    """A file that came in. counts: rows, added, known, bad; of preferences also pairs and prompts that were new."""

    id: int
    kind: ImportKind
    name: str
    container: str
    format: str | None
    source: str
    license: str | None
    sha256: str
    state: ImportState
    reason: str | None
    counts: dict[str, int]
    created_at: int
    ended_at: int | None


def build_imports_api(store: PreferenceStore, imports: Uploads) -> APIRouter:
    """The routes under /imports; to be included for admins only."""
    routes = APIRouter(prefix="/imports", tags=["datasets"], responses=refusals(), route_class=audited(store.audit))
    looking = APIRouter()  # what is sent there changes nothing

    @routes.get("")
    def list_imports() -> list[ImportOut]:
        """Every import, newest first."""
        return [import_out(entry) for entry in store.imports.all()]

    @looking.post("/look", openapi_extra=_UPLOAD)
    async def look_at_file(
        request: Request,
        name: Annotated[str, Query(min_length=1, max_length=200)],
        kind: ImportKind,
        format: Annotated[str | None, Query(max_length=40)] = None,
        source: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
        license: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    ) -> LookOut:
        """Send a file, and see what it holds before anything of it is kept. Who leaves meanwhile ends the look."""
        upload = Upload(name, kind, format or None, source, license)
        file = await imports.receive(upload, request.stream())
        token, seen = await while_connected(request, imports.inspect(upload, file))
        return look_out(token, seen)

    @routes.post("", status_code=202, responses=refusals(404))
    @act(AuditAct.IMPORT_FILE)
    async def import_file(body: TakeIn, me: AdminOrOwner) -> JobOut:
        """Keep what a file holds; the job says how far it is, and at last which import it became."""
        return job_out(imports.begin(body.upload, me.id))

    @looking.delete("/uploads/{upload}", status_code=204)
    async def forget_file(upload: str) -> None:
        """Throw a file away that was looked at."""
        await asyncio.to_thread(imports.forget, upload)

    @routes.get("/{import_id}", responses=refusals(404))
    def one_import(import_id: Id) -> ImportOut:
        """One import."""
        return import_out(store.imports.by_id(import_id))

    @routes.get("/{import_id}/bad-rows", responses=refusals(404))
    async def bad_rows(import_id: Id) -> FileResponse:
        """The rows that were left out, and why, as JSON lines."""
        file = await asyncio.to_thread(imports.bad_rows, import_id)
        return FileResponse(file, filename=f"import-{import_id}-{file.name}", media_type="application/x-ndjson")

    routes.include_router(looking)
    return routes


def look_out(token: str, seen: Look) -> LookOut:
    """What a file holds, as the API has it."""
    return LookOut(
        upload=token,
        name=seen.file.name,
        container=seen.file.container,
        format=seen.file.format,
        source=seen.file.source,
        license=seen.file.license,
        unit=seen.unit,
        rows=seen.rows,
        good=seen.good,
        bad=[BadRowOut(number=row.number, reason=row.reason) for row in seen.bad],
        shown=[
            ShownOut(prompt=list(one.prompt), a=one.a, b=one.b, choice=one.choice)
            if isinstance(one, JudgedPair)
            else ShownOut(prompt=list(one))
            for one in seen.shown
        ],
    )


def import_out(entry: Import) -> ImportOut:
    """An import as the API has it."""
    file = entry.file
    return ImportOut(
        id=entry.id,
        kind=file.kind,
        name=file.name,
        container=file.container,
        format=file.format,
        source=file.source,
        license=file.license,
        sha256=file.sha256,
        state=entry.state,
        reason=entry.reason,
        counts=dict(entry.counts),
        created_at=entry.created_at,
        ended_at=entry.ended_at,
    )
