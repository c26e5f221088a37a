"""Preferences as TRL reads and writes them, with an explicit prompt. Knows nothing of the store.

Written: conversational. Read: also TRL's standard format, where prompt, chosen and rejected are texts; they are taken
as what a user said and what was answered.

https://huggingface.co/docs/trl/dataset_formats#preference
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

import pyarrow as pa

from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TURNS
from data.formats.format import Format
from data.judged_pair import JudgedPair
from data.records import Message, Preference
from data.whole_file import replacing


class Row(TypedDict):
    """A line of the dataset."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]


def rows(preferences: Iterable[Preference]) -> Iterator[Row]:
    """The preferences as lines of the dataset, one by one."""
    for preference in preferences:
        yield {
            "prompt": list(preference.prompt.messages),
            "chosen": [layout.answer(preference.chosen.text)],
            "rejected": [layout.answer(preference.rejected.text)],
        }


def write(path: Path, preferences: Iterable[Preference]) -> int:
    """Write a UTF-8 JSON-lines file, whole or not at all; the answer is the number of lines.

    Raises OSError when the directory cannot be written.
    """
    count = 0
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows(preferences):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read(row: cells.Row) -> list[JudgedPair]:
    """The pair of a row, of turns or texts. Raises InputError with the reason why there is none."""
    return [JudgedPair(cells.prompt(row, "prompt"), cells.answer(row, "chosen"), cells.answer(row, "rejected"))]


def _write(pair: JudgedPair) -> list[Row]:
    prompt = list(pair.prompt)
    return [{"prompt": prompt, "chosen": [layout.answer(pair.chosen)], "rejected": [layout.answer(pair.rejected)]}]


FORMAT = Format(
    "trl",
    ("prompt", "chosen", "rejected"),
    read,
    _write,
    pa.schema([("prompt", TURNS), ("chosen", TURNS), ("rejected", TURNS)]),
)
