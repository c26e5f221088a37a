"""Imported and exported files, and rows that could not be imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class ImportKind(StrEnum):
    """What a file is imported for."""

    PROMPTS = "prompts"
    PREFERENCES = "preferences"


class ImportState(StrEnum):
    """RUNNING: rows are being read, or were when the process ended. BROKEN_OFF: the rest could not be read."""

    RUNNING = "running"
    DONE = "done"
    BROKEN_OFF = "broken_off"


@dataclass(frozen=True, slots=True)
class ImportFile:
    """What is known of a file before its rows are imported. sha256: of its content; format: None for prompts."""

    kind: ImportKind
    name: str
    sha256: str
    container: str
    format: str | None
    source: str
    license: str | None = None


class BadRow(NamedTuple):
    """A row that was left out, by its number in the file's unit, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """An imported file. position: the number of the last row handled.

    bad_rows: rows of the last chunk that were left out. counts: "rows" handled, "added", "known" (already stored, or
    repeated in the file) and "bad"; for preferences also the new "prompts" and "pairs".
    """

    id: int
    file: ImportFile
    state: ImportState
    position: int
    bad_rows: tuple[BadRow, ...]
    counts: Mapping[str, int]
    reason: str | None
    started_by: int | None
    created_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class NewExport:
    """An export to record. request: what was asked for; sha256: of the file; counts: rows per part, and left out."""

    request: Mapping[str, object]
    format: str
    container: str
    sha256: str
    counts: Mapping[str, int]
    guideline_id: int | None
    software: str


@dataclass(frozen=True, slots=True)
class Export:
    """A recorded export."""

    id: int
    made: NewExport
    made_by: int | None
    created_at: int
