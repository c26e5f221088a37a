"""TRL's preferences for a reward model: two conversations as in trl-implicit, and the margin between them.

Written, the margin is the strength, 1-3, or 0.0 (no margin) where it is not known. Read, a margin outside of 1-3 is
on another scale and is ignored.

https://huggingface.co/docs/trl/reward_trainer
"""

import pyarrow as pa

from data.formats import row as cells
from data.formats import trl_implicit
from data.formats.format import Format
from data.formats.row import FileRow
from data.records.judged_pair import JudgedPair


def _shape(row: FileRow) -> bool:
    return cells.is_number(row["margin"]) and trl_implicit.are_conversations(row)


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    return [{**row, "margin": float(pair.strength or 0)} for row in trl_implicit.write(pair)]


FORMAT = Format(
    "trl-reward",
    ("chosen", "rejected", "margin"),
    trl_implicit.read,
    _write,
    trl_implicit.COLUMNS.append(pa.field("margin", pa.float64())),
    _shape,
    reasoning=True,
)
