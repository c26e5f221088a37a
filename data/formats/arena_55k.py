"""Arena battles as in arena-human-preference-55k: the user's turns and each side's answers as JSON lists of texts.

The winner is one of three columns with 1 or 0; two bad answers count as a tie there, so both_bad cannot be written.
Conversations that differ before the last answer are left out, as in arena.

https://huggingface.co/datasets/lmarena-ai/arena-human-preference-55k
"""

import json

import pyarrow as pa

from data.errors import InputError
from data.formats import layout
from data.formats import row as cells
from data.formats.arena import json_list, model_cells, models
from data.formats.columns import TEXT
from data.formats.format import DECISIVE, Format
from data.formats.row import FileRow
from data.records import Choice, Message
from data.records.judged_pair import JudgedPair

_WINNERS = {"winner_model_a": Choice.A, "winner_model_b": Choice.B, "winner_tie": Choice.TIE}


def _read(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    # CSV files have numbers as text
    said = [choice for key, choice in _WINNERS.items() if str(row.get(key)) in ("1", "1.0", "True")]
    if len(said) != 1:
        raise InputError(f"not just one of {', '.join(_WINNERS)} is 1")
    keys = ("response_a", "response_b")
    parted = cells.parted(keys, *(_conversation(row, key) for key in keys))
    return [JudgedPair(*parted, choice=said[0], provenance=models(row))]


def _conversation(row: FileRow, key: str) -> list[Message]:
    asked, answered = json_list(row, "prompt"), json_list(row, key)
    if len(asked) != len(answered):
        raise InputError(f"prompt has {len(asked)} texts and {key} {len(answered)}")
    turns = []
    for question, answer in zip(asked, answered, strict=True):
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return cells.turns({key: turns}, key)


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    system, history, question = layout.exchanges(pair.prompt)
    if system:
        raise InputError("a battle has no system message")
    answered = [answer for _, answer in history]
    return [
        {
            "id": layout.identity(pair),
            **model_cells(pair),
            "prompt": _json([*(asked for asked, _ in history), question]),
            "response_a": _json([*answered, pair.a]),
            "response_b": _json([*answered, pair.b]),
            **{key: int(choice is pair.choice) for key, choice in _WINNERS.items()},
        }
    ]


def _json(texts: list[str]) -> str:
    return json.dumps(texts, ensure_ascii=False)


FORMAT = Format(
    "arena-55k",
    ("prompt", "response_a", "response_b", *_WINNERS),
    _read,
    _write,
    pa.schema(
        [
            *((key, TEXT) for key in ("id", "model_a", "model_b", "prompt", "response_a", "response_b")),
            *((key, pa.int64()) for key in _WINNERS),
        ]
    ),
    choices=DECISIVE | {Choice.TIE},
)
