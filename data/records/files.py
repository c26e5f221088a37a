"""Imported and exported files, and the rows of them that could not be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class ImportKind(StrEnum):
    """What a file was read for."""

    PROMPTS = "prompts"
    PREFERENCES = "preferences"


class ImportState(StrEnum):
    """RUNNING: rows are being read, or were when the program ended. BROKEN_OFF: the file could not be read on."""

    RUNNING = "running"
    DONE = "done"
    BROKEN_OFF = "broken_off"


@dataclass(frozen=True, slots=True)
class ImportFile:
    """What is known of a file before its rows are kept. sha256: of its content; format: None for prompts."""

    kind: ImportKind
    name: str
    sha256: str
    container: str
    format: str | None
    source: str
    license: str | None = None


class BadRow(NamedTuple):
    """A row that is left out, by its number in the file's unit, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """A file whose rows came into the store. position: the number of the last row that has been dealt with.

    bad_rows: of the last chunk of rows, those that were left out. counts: "rows" dealt with, "added" and "known" (there
    before, or twice in the file), "bad"; of preferences also the "prompts" and "pairs" that were new.
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
    """What became a file. request: what was asked for; sha256: of the file; counts: rows by part, and left out."""

    request: Mapping[str, object]
    format: str
    container: str
    sha256: str
    counts: Mapping[str, int]
    guideline_id: int | None
    software: str


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was made of the store."""

    id: int
    made: NewExport
    made_by: int | None
    created_at: int
