"""prefloop's own format: a judgment with all that is known of it, for export to another prefloop.

`format` is "prefloop/1"; `prompt` has turns; `a` and `b` the answers, each its `text` and how it was made; then
`choice`, `strength`, and the keys of Provenance. Unknown keys are missing or null.

The only format that holds all of a judged pair; docs/formats.md lists the keys.
"""

import math
from collections.abc import Mapping
from typing import cast

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from data.errors import InputError
from data.formats import row as cells
from data.formats.columns import TEXT, TURNS
from data.formats.format import ALL, Format
from data.formats.row import FileRow
from data.prompts.conversations import is_unicode
from data.records import Choice
from data.records.judged_pair import SAYABLE, JudgedPair, Provenance

VERSION = "prefloop/1"


class _JudgmentRow(Provenance, total=False):
    """The keys besides the pair and the choice."""

    strength: float


_KNOWN = TypeAdapter(_JudgmentRow)
_LARGEST = 2**63
_BESIDES = tuple(key for key in Provenance.__annotations__ if key not in ("a", "b"))


def _shape(row: FileRow) -> bool:
    return cells.told(row, "format").startswith("prefloop/")


def _read(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    version = cells.text(row, "format")
    if version != VERSION:
        raise InputError(f"format is {version!r:.40}, not {VERSION}; update prefloop")
    choice = cells.text(row, "choice")
    if choice not in SAYABLE:
        raise InputError(f"choice is {choice!r:.40}, none of {', '.join(SAYABLE)}")
    prompt = cells.ask("prompt", cells.turns(row, "prompt"))
    a, b = (cells.answer(cells.entry(row, side), "text") for side in ("a", "b"))
    said = _said(row)
    strength = said.pop("strength", None)
    return [JudgedPair(prompt, a, b, Choice(choice), strength, said)]


def _said(row: FileRow) -> _JudgmentRow:
    known = {key: _without_gaps(row[key]) for key in ("strength", *_BESIDES, "a", "b") if row.get(key) is not None}
    try:
        said = _KNOWN.validate_python(known)
    except ValidationError as error:
        [first, *_] = error.errors()
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{place}: {first['msg']}") from error
    for key, value in said.items():
        _sensible(key, value)
    if not said["a"]:
        del said["a"]
    if not said["b"]:
        del said["b"]
    return said


def _sensible(place: str, value: object) -> None:
    """Raise InputError for values that files or tables cannot hold."""
    if isinstance(value, dict):  # as JSON and Arrow give them; the test for any Mapping is slow
        for key, part in value.items():
            _sensible(place, key)
            _sensible(f"{place}.{key}", part)
    elif isinstance(value, list):
        for part in value:
            _sensible(place, part)
    elif isinstance(value, str) and not is_unicode(value):
        raise InputError(f"{place} has half a surrogate pair, which is no Unicode text")
    elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise InputError(f"{place} is a whole number of more than 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{place} is {value}, which is no number")


def _without_gaps(value: object) -> object:
    """Return an object without null keys, which tables fill in; anything else unchanged."""
    if not isinstance(value, dict):
        return value
    return {key: _without_gaps(part) for key, part in value.items() if part is not None}


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    said = cast(Mapping[str, object], pair.provenance)
    return [
        {
            "format": VERSION,
            "prompt": list(pair.prompt),
            "a": {"text": pair.a, **pair.provenance.get("a", {})},
            "b": {"text": pair.b, **pair.provenance.get("b", {})},
            "choice": pair.choice.value,
            "strength": pair.strength,
            **{key: said[key] for key in _BESIDES if key in said},
        }
    ]


_SAMPLING = pa.struct(
    [
        *((key, pa.float64()) for key in ("temperature", "top_p", "repetition_penalty")),
        *((key, pa.int64()) for key in ("max_new_tokens", "top_k")),
    ]
)
_ANSWER = pa.struct(
    [
        ("text", TEXT),
        ("version", TEXT),
        ("finish_reason", TEXT),
        ("sampling", _SAMPLING),
        ("seed", pa.int64()),
        ("token_ids", pa.list_(pa.int64())),
        ("logprobs", pa.list_(pa.float64())),
        ("reasoning", TEXT),
        ("reasoning_tokens", pa.int64()),
    ]
)
_TYPES = {
    str: TEXT,
    int: pa.int64(),
    float: pa.float64(),
    list[str]: pa.list_(TEXT),
    list[int]: pa.list_(pa.int64()),
    dict[str, list[str]]: pa.struct([("a", pa.list_(TEXT)), ("b", pa.list_(TEXT))]),
}

FORMAT = Format(
    "prefloop",
    ("format", "prompt", "a", "b", "choice"),
    _read,
    _write,
    pa.schema(
        [
            ("format", TEXT),
            ("prompt", TURNS),
            ("a", _ANSWER),
            ("b", _ANSWER),
            ("choice", TEXT),
            ("strength", pa.float64()),
            *((key, _TYPES[Provenance.__annotations__[key]]) for key in _BESIDES),
        ]
    ),
    _shape,
    choices=ALL,
    open=False,
    complete=True,
    reasoning=True,
)
