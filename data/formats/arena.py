"""Battles of the Chatbot Arena: two whole conversations, the two models, and who won.

As in lmsys/chatbot_arena_conversations; the later files of lmarena-ai are read too, where a conversation may be a JSON
text, contents may be lists of parts, and both_bad is a winner. Conversations that differ before the last answer do not
answer the same prompt, and are left out. Of the provenance, the models, the judge, the time and the language are read
and written.

https://huggingface.co/datasets/lmsys/chatbot_arena_conversations
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa

from data.errors import InputError
from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TEXT, TURNS
from data.formats.format import ALL, Format
from data.formats.row import FileRow
from data.records import Choice, Message
from data.records.judged_pair import JudgedPair, Provenance

_UNKNOWN = "unknown"
_SAID = {
    Choice.A: "model_a",
    Choice.B: "model_b",
    Choice.TIE: "tie",
    Choice.BOTH_BAD: "tie (bothbad)",
}
_READ = {winner: choice for choice, winner in _SAID.items()} | {"both_bad": Choice.BOTH_BAD}


def json_list(row: FileRow, key: str) -> list[object]:
    """Return a list, which may be given as JSON text. Raises InputError."""
    value = row.get(key)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{key} is a text that is no JSON") from error
    if not isinstance(value, list):
        raise InputError(f"{key} is {cells.kind(value)}, not a list")
    return value


def models(row: FileRow) -> Provenance:
    """Return which models answered, as far as a row says so."""
    said = Provenance()
    if (model := cells.told(row, "model_a")) not in ("", _UNKNOWN):
        said["a"] = {"version": model}
    if (model := cells.told(row, "model_b")) not in ("", _UNKNOWN):
        said["b"] = {"version": model}
    return said


def model_cells(pair: JudgedPair) -> dict[str, str]:
    """Return the models of a pair as cells of a row."""
    said = pair.provenance
    return {
        "model_a": said.get("a", {}).get("version", _UNKNOWN),
        "model_b": said.get("b", {}).get("version", _UNKNOWN),
    }


def _read(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    winner = cells.text(row, "winner")
    if winner not in _READ:
        raise InputError(f"winner is {winner!r:.40}, none of {', '.join(_READ)}")
    sides = _conversation(row, "conversation_a"), _conversation(row, "conversation_b")
    parted = cells.parted(("conversation_a", "conversation_b"), *sides)
    return [JudgedPair(*parted, choice=_READ[winner], provenance=_provenance(row))]


def _conversation(row: FileRow, key: str) -> list[Message]:
    return cells.turns({key: [_whole(key, turn) for turn in json_list(row, key)]}, key)


def _whole(key: str, turn: object) -> object:
    """Return a turn with its content as one text, if it is a list of parts."""
    if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), list):
        return turn
    texts = [part.get("text") for part in turn["content"] if isinstance(part, Mapping) and part.get("type") == "text"]
    if len(texts) != len(turn["content"]):
        raise InputError(f"{key} has parts that are not text, and only text can be read")
    return {"role": turn.get("role"), "content": "".join(text for text in texts if isinstance(text, str))}


def _provenance(row: FileRow) -> Provenance:
    said = models(row)
    if judge := cells.told(row, "judge") or cells.told(row, "judge_hash"):
        said["annotator"] = judge
    if language := cells.told(row, "language"):
        said["language"] = language
    if time := _time(row.get("tstamp")):
        said["created_at"] = time
    return said


def _time(seconds: object) -> str | None:
    """Return a Unix time, as number or text (CSV), as ISO 8601; None if it is none."""
    try:
        return datetime.fromtimestamp(float(str(seconds)), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    said = pair.provenance
    return [
        {
            "question_id": layout.identity(pair),
            **model_cells(pair),
            "winner": _SAID[pair.choice],
            "judge": said.get("annotator"),
            "conversation_a": [*pair.prompt, layout.answer(pair.a)],
            "conversation_b": [*pair.prompt, layout.answer(pair.b)],
            "turn": sum(turn["role"] == "user" for turn in pair.prompt),
            "anony": True,
            "language": said.get("language"),
            "tstamp": _seconds(said.get("created_at", "")),
        }
    ]


def _seconds(time: str) -> float | None:
    try:
        return datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError):
        return None


FORMAT = Format(
    "arena",
    ("model_a", "model_b", "winner", "conversation_a", "conversation_b"),
    _read,
    _write,
    pa.schema(
        [
            *((key, TEXT) for key in ("question_id", "model_a", "model_b", "winner", "judge")),
            ("conversation_a", TURNS),
            ("conversation_b", TURNS),
            ("turn", pa.int64()),
            ("anony", pa.bool_()),
            ("language", TEXT),
            ("tstamp", pa.float64()),
        ]
    ),
    choices=ALL,
    tells_language=True,
)
