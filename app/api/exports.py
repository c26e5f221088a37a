"""REST for admins: datasets made of the store. Knows nothing of how a file is made."""

import asyncio
from dataclasses import asdict, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from app.api.audit import act, audited
from app.api.auth import AdminOrOwner
from app.api.errors import LARGEST_ID, Body, Id, refusals
from app.api.jobs import JobOut, job_out
from app.datasets.export_files import ExportFiles
from app.datasets.export_order import ExportOrder, usual_query
from app.datasets.export_preview import Preview
from data.activity.audit import AuditAct
from data.containers.registry import CONTAINERS
from data.formats.format import Format
from data.formats.registry import FORMATS
from data.records import Export, Split
from data.rounds.aggregation import Aggregation
from data.store import PreferenceStore

_MOST_NAMED = 1_000
_Time = Annotated[int, Field(ge=0, le=LARGEST_ID)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Names = Annotated[tuple[_Name, ...], Field(max_length=_MOST_NAMED)]
_Numbers = Annotated[tuple[Annotated[int, Field(ge=1, le=LARGEST_ID)], ...], Field(max_length=_MOST_NAMED)]
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


class ExportIn(Body):
    """What shall become a file; all as ExportOrder and ExportQuery have it (docs/formats.md).

    aggregation, ties, both_bad: as the format has it, if null.
    """

    format: _Name = "trl"
    container: _Name = "jsonl"
    provenance: bool = False
    anonymous: bool = False
    split: Split | None = None
    rounds: _Numbers = ()
    versions: _Names = ()
    since: _Time | None = None
    until: _Time | None = None
    annotators: _Names = ()
    tags: _Names = ()
    languages: _Names = ()
    aggregation: Aggregation | None = None
    agreement: Annotated[float, Field(ge=0, le=1)] = 0.0
    votes: Annotated[int, Field(ge=1, le=LARGEST_ID)] = 1
    strength: Annotated[float, Field(ge=1, le=3)] = 1.0
    ties: bool | None = None
    both_bad: bool | None = None
    barred: bool = False

    def order(self) -> ExportOrder:
        """The same as an order. Raises InputError for a format that is not known."""
        sent = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        said = {name: sent.pop(name) for name in ("format", "container", "provenance", "anonymous")}
        return ExportOrder(**said, query=replace(usual_query(self.format), **sent))


class PublishIn(ExportIn):
    """What shall be published on the Hugging Face hub, and where: "owner/name"."""

    repo: Annotated[str, Field(min_length=1, max_length=200)]
    private: bool = True

    def order(self) -> ExportOrder:
        """The same as an order."""
        return ExportIn(**self.model_dump(exclude={"repo", "private"})).order()


class PreviewRowsOut(BaseModel):
    """What a file would hold.

    counts: judgments looked at; pairs, judgments of them and rows by part; judgments left out, as excluded_ and the
    reason; pairs that the format cannot hold, as unheld_ and the reason; and answers that came with reasoning, as
    reasoning_kept or, where the format does not hold it, reasoning_dropped. rows: the first few. json_columns: those of
    lists or objects, which a CSV file has as JSON texts: a trainer would take them for plain text. tried: of a large
    store, how many pairs were written and read again in this format; what it cannot hold, reasoning and answers that do
    not differ are counted among these alone. null: all of them.
    """

    counts: dict[str, int]
    rows: list[dict[str, Any]]
    json_columns: list[str]
    tried: int | None = None


class ExportOut(BaseModel):
    """A file that was made. here: whether the home still keeps it; counts as a preview has them."""

    id: int
    format: str
    container: str
    request: dict[str, Any]
    counts: dict[str, int]
    sha256: str
    guideline: int | None
    software: str
    created_at: int
    here: bool


class FormatOut(BaseModel):
    """A format. choices: what it can say of a pair; open: whether other columns may stand beside its own.

    aggregation, ties, both_bad: what is taken if nothing else is said.
    """

    name: str
    choices: list[str]
    open: bool
    aggregation: Aggregation
    ties: bool
    both_bad: bool


class ShelvesOut(BaseModel):
    """What there is to choose from."""

    formats: list[FormatOut]
    containers: list[str]


def build_exports_api(store: PreferenceStore, exports: ExportFiles) -> APIRouter:
    """The routes under /exports; to be included for admins only."""
    routes = APIRouter(prefix="/exports", tags=["datasets"], responses=refusals(), route_class=audited(store.audit))
    looking = APIRouter()  # what is sent there changes nothing
    handing_out = APIRouter(route_class=audited(store.audit))

    @routes.get("")
    def list_exports() -> list[ExportOut]:
        """Every export, newest first."""
        return [export_out(one, here=exports.find(one.id) is not None) for one in store.exports.all()]

    @routes.get("/formats")
    def list_formats() -> ShelvesOut:
        """The formats and containers there are."""
        return ShelvesOut(formats=[_format_out(one) for one in FORMATS], containers=[one.name for one in CONTAINERS])

    @looking.post("/preview", responses=refusals(409))
    async def preview_export(body: ExportIn, me: AdminOrOwner) -> PreviewRowsOut:
        """What a file would hold, without making it; one that the same admin asked for before is given up."""
        seen = await asyncio.to_thread(exports.preview, body.order(), me.id)
        return preview_out(seen)

    @routes.post("", status_code=202)
    @act(AuditAct.EXPORT_PREFERENCES)
    async def export_preferences(
        body: ExportIn, me: AdminOrOwner, ending: Annotated[str | None, Query(max_length=20)] = None
    ) -> JobOut:
        """Have a file made; the job says how far it is, and at last which export it became.

        ending: of the file's name, such as .jsonl.gz; the usual one of its container if null.
        """
        return job_out(exports.begin(body.order(), me.id, ending))

    @routes.post("/publish", status_code=202)
    @act(AuditAct.PUBLISH_PREFERENCES)
    async def publish_preferences(body: PublishIn, me: AdminOrOwner) -> JobOut:
        """Put a dataset on the Hugging Face hub, by the token of the server's own user."""
        return job_out(exports.publish(body.order(), body.repo, me.id, private=body.private))

    @routes.get("/{export_id}", responses=refusals(404))
    def one_export(export_id: Id) -> ExportOut:
        """One export."""
        return export_out(store.exports.by_id(export_id), here=exports.find(export_id) is not None)

    @handing_out.get("/{export_id}/file", response_class=FileResponse, responses=_FILE | refusals(404))
    @act(AuditAct.DOWNLOAD_EXPORT)
    async def download_export(export_id: Id) -> FileResponse:
        """The file; a directory as a zip."""
        file = await asyncio.to_thread(exports.file, export_id)
        return FileResponse(file, filename=file.name, media_type="application/octet-stream")

    @routes.get("/{export_id}/manifest", responses=refusals(404))
    async def export_manifest(export_id: Id) -> FileResponse:
        """What the file is, as JSON."""
        file = await asyncio.to_thread(exports.manifest, export_id)
        return FileResponse(file, filename=file.name, media_type="application/json")

    @routes.delete("/{export_id}/file", status_code=204, responses=refusals(404))
    @act(AuditAct.DISCARD_EXPORT)
    async def discard_export(export_id: Id) -> None:
        """Take a file away; what it was is remembered."""
        await asyncio.to_thread(exports.discard, export_id)

    routes.include_router(looking)
    routes.include_router(handing_out)
    return routes


def preview_out(seen: Preview) -> PreviewRowsOut:
    """A preview as the API has it."""
    return PreviewRowsOut(
        counts=dict(seen.counts),
        rows=[dict(row) for row in seen.rows],
        json_columns=list(seen.json_columns),
        tried=seen.tried,
    )


def export_out(export: Export, *, here: bool) -> ExportOut:
    """An export as the API has it."""
    made = {key: value for key, value in asdict(export.made).items() if key != "guideline_id"}
    return ExportOut(
        id=export.id,
        guideline=export.made.guideline_id,
        created_at=export.created_at,
        here=here,
        **made,
    )


def _format_out(format_: Format) -> FormatOut:
    usual = usual_query(format_.name)
    return FormatOut(
        name=format_.name,
        choices=sorted(choice.value for choice in format_.choices),
        open=format_.open,
        aggregation=usual.aggregation,
        ties=usual.ties,
        both_bad=usual.both_bad,
    )
