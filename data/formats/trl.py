"""TRL's preference format with an explicit prompt.

Written: conversational. Read: also TRL's standard format, where prompt, chosen and rejected are texts; they become
a user and an assistant turn each. `system` and `margin` columns are read, too; see trl_reward.py.

https://huggingface.co/docs/trl/dataset_formats#preference
"""

import pyarrow as pa

from data.formats import layout
from data.formats import row as cells
from data.formats.columns import ANSWER_TURNS, TURNS
from data.formats.format import Format
from data.records.judged_pair import JudgedPair


def read(row: cells.FileRow) -> list[JudgedPair]:
    """Return the pair of a row, of turns or texts. Raises InputError with the reason why there is none."""
    prompt, chosen, rejected = cells.prompt(row, "prompt"), cells.answer(row, "chosen"), cells.answer(row, "rejected")
    return [JudgedPair(prompt, chosen, rejected, strength=cells.margin(row))]


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    chosen, rejected = layout.answers(pair)
    return [{"prompt": list(pair.prompt), "chosen": [chosen], "rejected": [rejected]}]


FORMAT = Format(
    "trl",
    ("prompt", "chosen", "rejected"),
    read,
    _write,
    pa.schema([("prompt", TURNS), ("chosen", ANSWER_TURNS), ("rejected", ANSWER_TURNS)]),
    reasoning=True,
)
