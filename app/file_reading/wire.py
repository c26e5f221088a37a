"""Looks and rows as JSON, between the process that reads a file and the one that asked for it. Knows no files.

JSON and nothing that runs when it is read: what reads a file may have been taken over by it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.file_reading.look import Brought, KeptRow, Look, ReadRow
from data.containers.container import FileLimits
from data.errors import InputError
from data.records import BadRow, Choice, ImportFile, ImportKind, Message
from data.records.judged_pair import JudgedPair

Json = dict[str, Any]


def line_of(value: object) -> bytes:
    """A value on a line of its own; half a character, which JSON from outside may hold, too."""
    return json.dumps(value, ensure_ascii=True).encode("ascii") + b"\n"


def brought_out(brought: Brought) -> Json:
    """As JSON."""
    return {"path": str(brought.path), "name": brought.name, "kind": brought.kind, "format": brought.format}


def brought_in(sent: Json) -> Brought:
    """What was sent."""
    return Brought(Path(sent["path"]), sent["name"], ImportKind(sent["kind"]), sent["format"])


def file_out(file: ImportFile) -> Json:
    """As JSON."""
    return {name: getattr(file, name) for name in ImportFile.__dataclass_fields__}


def file_in(sent: Json) -> ImportFile:
    """What was sent."""
    return ImportFile(**{**sent, "kind": ImportKind(sent["kind"])})


def limits_out(limits: FileLimits) -> Json:
    """As JSON."""
    return {"file": limits.file, "unpacked": limits.unpacked, "row": limits.row}


def limits_in(sent: Json) -> FileLimits:
    """What was sent."""
    return FileLimits(**sent)


def look_out(look: Look) -> Json:
    """As JSON, without the path."""
    return {
        "file": file_out(look.file),
        "unit": look.unit,
        "rows": look.rows,
        "good": look.good,
        "bad": [list(row) for row in look.bad],
        "shown": row_out(ReadRow(0, look.shown)),
    }


def look_in(sent: Json, path: Path) -> Look:
    """What was sent of the file at a path."""
    return Look(
        path,
        file_in(sent["file"]),
        sent["unit"],
        sent["rows"],
        sent["good"],
        tuple(BadRow(number, reason) for number, reason in sent["bad"]),
        row_in(sent["shown"]).kept,
    )


def row_out(row: ReadRow) -> list[object]:
    """As JSON. What its pairs share stands there once, however many they are: a row may say much of one long prompt."""
    prompts: dict[int, tuple[int, object]] = {}
    texts: dict[str, int] = {}
    kept = [_pair_out(one, prompts, texts) if isinstance(one, JudgedPair) else one for one in row.kept]
    return [row.number, kept, row.reason, row.rows, [prompt for _, prompt in prompts.values()], list(texts)]


def row_in(sent: list[Any]) -> ReadRow:
    """What was sent."""
    number, kept, reason, rows, prompts, texts = sent
    shared = [tuple(prompt) for prompt in prompts]
    return ReadRow(number, tuple(_kept_in(one, shared, texts) for one in kept), reason, rows)


def error_out(error: InputError) -> Json:
    """As JSON."""
    return {"template": error.template, "values": error.values}


def error_in(sent: Json) -> InputError:
    """What was sent."""
    return InputError(sent["template"], **sent["values"])


def _pair_out(pair: JudgedPair, prompts: dict[int, tuple[int, object]], texts: dict[str, int]) -> Json:
    """A pair by the places of its prompt and texts among those of its row."""
    return {
        "prompt": prompts.setdefault(id(pair.prompt), (len(prompts), pair.prompt))[0],
        "a": texts.setdefault(pair.a, len(texts)),
        "b": texts.setdefault(pair.b, len(texts)),
        "choice": pair.choice,
        "strength": pair.strength,
        "provenance": pair.provenance,
    }


def _kept_in(sent: Any, prompts: Sequence[tuple[Message, ...]], texts: Sequence[str]) -> KeptRow:  # noqa: ANN401  # JSON
    if not isinstance(sent, dict):
        return tuple(sent)
    prompt, a, b = prompts[sent["prompt"]], texts[sent["a"]], texts[sent["b"]]
    return JudgedPair(prompt, a, b, Choice(sent["choice"]), sent["strength"], sent["provenance"])
