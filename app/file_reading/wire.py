"""JSON messages between the process that reads a file and its parent.

JSON, because unlike pickle it executes nothing when read: a malicious file may have taken over the reading process.
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
    """Encode a value as one line of ASCII JSON, so that lone surrogates, which JSON may contain, survive."""
    return json.dumps(value, ensure_ascii=True).encode("ascii") + b"\n"


def brought_out(brought: Brought) -> Json:
    """Convert to JSON."""
    return {"path": str(brought.path), "name": brought.name, "kind": brought.kind, "format": brought.format}


def brought_in(sent: Json) -> Brought:
    """Convert from JSON."""
    return Brought(Path(sent["path"]), sent["name"], ImportKind(sent["kind"]), sent["format"])


def file_out(file: ImportFile) -> Json:
    """Convert to JSON."""
    return {name: getattr(file, name) for name in ImportFile.__dataclass_fields__}


def file_in(sent: Json) -> ImportFile:
    """Convert from JSON."""
    return ImportFile(**{**sent, "kind": ImportKind(sent["kind"])})


def limits_out(limits: FileLimits) -> Json:
    """Convert to JSON."""
    return {"file": limits.file, "unpacked": limits.unpacked, "row": limits.row}


def limits_in(sent: Json) -> FileLimits:
    """Convert from JSON."""
    return FileLimits(**sent)


def look_out(look: Look) -> Json:
    """Convert to JSON, without the path."""
    return {
        "file": file_out(look.file),
        "unit": look.unit,
        "rows": look.rows,
        "good": look.good,
        "bad": [list(row) for row in look.bad],
        "shown": row_out(ReadRow(0, look.shown)),
    }


def look_in(sent: Json, path: Path) -> Look:
    """Convert from JSON, for the file at a path."""
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
    """Convert to JSON. Prompts and texts shared by several pairs of a row are included once, as they may be long."""
    prompts: dict[int, tuple[int, object]] = {}
    texts: dict[str, int] = {}
    kept = [_pair_out(one, prompts, texts) if isinstance(one, JudgedPair) else one for one in row.kept]
    return [row.number, kept, row.reason, row.rows, [prompt for _, prompt in prompts.values()], list(texts)]


def row_in(sent: list[Any]) -> ReadRow:
    """Convert from JSON."""
    number, kept, reason, rows, prompts, texts = sent
    shared = [tuple(prompt) for prompt in prompts]
    return ReadRow(number, tuple(_kept_in(one, shared, texts) for one in kept), reason, rows)


def error_out(error: InputError) -> Json:
    """Convert to JSON."""
    return {"template": error.template, "values": error.values}


def error_in(sent: Json) -> InputError:
    """Convert from JSON."""
    return InputError(sent["template"], **sent["values"])


def _pair_out(pair: JudgedPair, prompts: dict[int, tuple[int, object]], texts: dict[str, int]) -> Json:
    """Convert a pair to JSON, with its prompt and texts as indices into those of its row."""
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
