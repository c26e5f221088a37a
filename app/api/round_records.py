"""REST for admins: what every round left behind, to read. Changes nothing; rounds.py starts and stops rounds."""

import asyncio
import codecs
import math
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from app.api.errors import LARGEST_ID, Id, refusals
from app.api.report_schema import ReportOut, report_out
from app.reports.markdown_file import Setting, round_report, settings_of
from app.reports.round_tables import report_words
from app.rounds.algorithms import Algorithm
from app.rounds.runner import RoundRunner
from data.errors import NotFoundError
from data.records import Round, RoundState
from data.store import PreferenceStore
from trainer.interface.manifest import Manifest
from trainer.interface.round_dir import RoundDir

MOST_ROUNDS = 100
MOST_ROWS = 600
MOST_LOG_BYTES = 64 * 1024

_MARKDOWN: dict[int | str, dict[str, Any]] = {200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}}


class RecordOut(BaseModel):
    """A round. algorithm: as people call it, "" if it is not known; started_by: a pseudonym, null for prefloop.

    cause: what began it; sha256: of what it selected, null for a round of an older prefloop; rebuilds: the round whose
    judgments it took again.

    train, heldout, both_bad: pairs; excluded: judgments left out, by reason. accuracy: on held-out pairs, in 0-1, null
    without a report or without such pairs; version: what the round made. Times in ms since the Unix epoch.
    """

    id: int
    state: RoundState
    reason: str | None
    algorithm: str
    started_by: str | None
    cause: str
    sha256: str | None
    rebuilds: int | None
    created_at: int
    ended_at: int | None
    train: int
    heldout: int
    both_bad: int
    excluded: dict[str, int]
    flip_rate: float | None
    accuracy: float | None
    version: str | None


class FullRecordOut(RecordOut):
    """A round with where its trainer stands, null before it has begun, and with its settings.

    seconds_left is null until it can be told; settings: flat, keys joined by dots.
    """

    phase: str | None
    step: int
    steps: int
    seconds_left: float | None
    reported: bool
    settings: dict[str, Setting]


class MetricsOut(BaseModel):
    """What the trainer measured, a row a step; every: 1, or n if only each nth row of a long round is sent.

    The last row always is. What is not a finite number is null.
    """

    every: int
    rows: list[dict[str, float | None]]


class LogOut(BaseModel):
    """A part of a trainer's log: its text, where it begins, where the next part does, the size of all, in bytes."""

    text: str
    start: int
    next: int
    size: int


def build_round_records_api(store: PreferenceStore, rounds: RoundRunner) -> APIRouter:
    """The reading routes under /rounds; to be included for admins only, and before those that take any id."""
    routes = APIRouter(prefix="/rounds", tags=["rounds"], responses=refusals(404))

    @routes.get("/records")
    def records(before: Annotated[int, Query(ge=1, le=LARGEST_ID)] = LARGEST_ID) -> list[RecordOut]:
        """The newest hundred rounds with an id below `before`, newest first."""
        known = [entry for entry in store.rounds.all() if entry.id < before][:MOST_ROUNDS]
        names, versions = store.people.pseudonyms(), _versions(store)
        return [RecordOut(**_record(entry, rounds.manifest(entry.id), names, versions)) for entry in known]

    @routes.get("/{round_id}/record")
    def record(round_id: Id) -> FullRecordOut:
        """A round, where its trainer stands, and its settings."""
        return _full_record(store, rounds, round_id)

    @routes.get("/{round_id}/metrics")
    def metrics(round_id: Id) -> MetricsOut:
        """What its trainer has measured so far."""
        return _metrics(_directory(store, rounds, round_id).metrics())

    @routes.get("/{round_id}/log")
    def log(round_id: Id, after: Annotated[int | None, Query(ge=0, le=LARGEST_ID)] = None) -> LogOut:
        """A part of its trainer's log, of 64 KiB at most: what comes after so many bytes, or else the newest."""
        return _log(_directory(store, rounds, round_id), after)

    _add_reports(routes, store, rounds)
    return routes


def _add_reports(routes: APIRouter, store: PreferenceStore, rounds: RoundRunner) -> None:
    @routes.get("/{round_id}/report")
    def report(round_id: Id) -> ReportOut:
        """What came of it, in words to be read in the reader's language."""
        manifest = rounds.manifest(store.rounds.by_id(round_id).id)
        if manifest is None:
            raise NotFoundError("Round {round} has no report: its training has not ended, or not well.", round=round_id)
        return report_out(report_words(manifest))

    @routes.get("/{round_id}/report.md", response_class=Response, responses=_MARKDOWN)
    async def report_file(round_id: Id) -> Response:
        """The same as a file in Markdown and English, with settings and decisions; of any round, whatever its state."""
        text = await asyncio.to_thread(_markdown, store, rounds, round_id)
        name = f'attachment; filename="round-{round_id:06d}.md"'
        return Response(text, media_type="text/markdown", headers={"content-disposition": name})


def _directory(store: PreferenceStore, rounds: RoundRunner, round_id: int) -> RoundDir:
    """The directory of a round that exists. Raises NotFoundError."""
    return rounds.directory(store.rounds.by_id(round_id).id)


def _versions(store: PreferenceStore) -> dict[int, str]:
    """The version that each round made, by the round's id."""
    return {version.round_id: version.name for version in store.versions.all() if version.round_id is not None}


def _record(entry: Round, manifest: Manifest | None, names: dict[int, str], versions: dict[int, str]) -> dict[str, Any]:
    training = entry.config.get("training")
    algorithm = training.get("algorithm") if isinstance(training, dict) else None
    return {
        "id": entry.id,
        "state": entry.state,
        "reason": entry.reason,
        "algorithm": Algorithm(algorithm).label if algorithm in list(Algorithm) else "",
        "started_by": None if entry.started_by is None else names[entry.started_by],
        "cause": entry.cause,
        "sha256": entry.sha256,
        "rebuilds": entry.rebuilds_id,
        "created_at": entry.created_at,
        "ended_at": entry.ended_at,
        **{name: entry.counts.get(name, 0) for name in ("train", "heldout", "both_bad")},
        "excluded": entry.excluded,
        "flip_rate": entry.flip_rate,
        "accuracy": manifest.report.heldout.accuracy if manifest else None,
        "version": versions.get(entry.id),
    }


def _full_record(store: PreferenceStore, rounds: RoundRunner, round_id: int) -> FullRecordOut:
    entry = store.rounds.by_id(round_id)
    manifest, progress = rounds.manifest(round_id), rounds.directory(round_id).progress()
    return FullRecordOut(
        **_record(entry, manifest, store.people.pseudonyms(), _versions(store)),
        phase=progress.phase if progress else None,
        step=progress.step if progress else 0,
        steps=progress.steps if progress else 0,
        seconds_left=progress.seconds_left if progress else None,
        reported=manifest is not None,
        settings=settings_of(entry),
    )


def _metrics(rows: list[dict[str, float]]) -> MetricsOut:
    every = max(1, -(-len(rows) // MOST_ROWS))
    kept = rows[::-every][::-1]
    finite = [{name: value if math.isfinite(value) else None for name, value in row.items()} for row in kept]
    return MetricsOut(every=every, rows=finite)


def _log(directory: RoundDir, after: int | None) -> LogOut:
    """A part of the log that ends between two characters; the newest part begins with a line."""
    if not directory.log.exists():
        return LogOut(text="", start=0, next=0, size=0)
    size = directory.log.stat().st_size
    start = max(0, size - MOST_LOG_BYTES) if after is None else min(after, size)
    with directory.log.open("rb") as log:
        log.seek(start)
        part = log.read(MOST_LOG_BYTES)
    if after is None and start > 0:
        cut = part.find(b"\n") + 1
        start, part = start + cut, part[cut:]
    text, taken = codecs.utf_8_decode(part, "replace", False)
    return LogOut(text=text, start=start, next=start + taken, size=size)


def _markdown(store: PreferenceStore, rounds: RoundRunner, round_id: int) -> str:
    view = rounds.view(round_id)
    version = _versions(store).get(round_id)
    decisions = [] if version is None else store.decisions.of(version)
    return round_report(view, version=version, decisions=decisions, names=store.people.pseudonyms())
