"""Axolotl's chat_template.default for DPO: `messages` up to the question, `chosen` and `rejected` as one turn each.

Axolotl strips trailing white space from answers when it trains; here it is kept.

https://github.com/axolotl-ai-cloud/axolotl/blob/main/docs/rlhf.qmd
"""

import pyarrow as pa

from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TURN, TURNS
from data.formats.format import Format
from data.formats.row import FileRow
from data.records.judged_pair import JudgedPair


def _shape(row: FileRow) -> bool:
    """Return whether the answers are single turns; `messages` beside whole conversations only repeats one of them."""
    return row.get("prompt") is None and isinstance(row["chosen"], dict | str)


def _read(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    return [JudgedPair(cells.prompt(row, "messages"), cells.answer(row, "chosen"), cells.answer(row, "rejected"))]


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    answers = {"chosen": layout.answer(pair.chosen), "rejected": layout.answer(pair.rejected)}
    return [{"messages": list(pair.prompt), **answers}]


FORMAT = Format(
    "axolotl",
    ("messages", "chosen", "rejected"),
    _read,
    _write,
    pa.schema([("messages", TURNS), ("chosen", TURN), ("rejected", TURN)]),
    _shape,
)
