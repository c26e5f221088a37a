"""Preferences as TRL reads and writes them, with an explicit prompt. Knows nothing of the store.

Written: conversational, JSON lines. Read: also TRL's standard format, where prompt, chosen and rejected are texts;
they are taken as what a user said and what was answered.

https://huggingface.co/docs/trl/dataset_formats#preference
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

from data.examples import PairExample
from data.formats import row as cells
from data.formats.format import Format
from data.records import Completion, Message, Preference
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
            "chosen": [_answer(preference.chosen)],
            "rejected": [_answer(preference.rejected)],
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


def _read(row: cells.Row) -> PairExample:
    """The pair of a row. Raises InputError with the reason why there is none."""
    return PairExample(
        prompt=cells.prompt(row, "prompt"),
        chosen=cells.answer(row, "chosen"),
        rejected=cells.answer(row, "rejected"),
    )


def _answer(completion: Completion) -> Message:
    return {"role": "assistant", "content": completion.text}


FORMAT = Format("trl", ("prompt", "chosen", "rejected"), _read)
