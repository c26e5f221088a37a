"""TRL's preference format with an implicit prompt: two conversations that share all but the last answer.

The prompt is the turns that both begin with, the answers are what follows, one assistant turn each. A text `prompt`
beside two conversations only repeats it, as in UltraFeedback; it is ignored, as in TRL, and not written.

https://huggingface.co/docs/trl/dataset_formats#preference
"""

import pyarrow as pa

from data.formats import layout
from data.formats import row as cells
from data.formats.columns import ANSWER_TURNS
from data.formats.format import Format
from data.formats.row import FileRow
from data.records import Message
from data.records.judged_pair import JudgedPair

COLUMNS = pa.schema([("chosen", ANSWER_TURNS), ("rejected", ANSWER_TURNS)])


def are_conversations(row: FileRow) -> bool:
    """Return whether chosen is a whole conversation, not only an answer to `prompt`."""
    chosen, rejected = row["chosen"], row["rejected"]
    if not isinstance(chosen, list) or not isinstance(rejected, list) or isinstance(row.get("prompt"), list):
        return False
    return row.get("prompt") is None or len(chosen) > 1


def read(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    chosen, rejected = cells.turns(row, "chosen"), cells.turns(row, "rejected")
    parted = cells.parted(("chosen", "rejected"), chosen, rejected, before=cells.system(row))
    return [JudgedPair(*parted, strength=cells.margin(row))]


def write(pair: JudgedPair) -> list[dict[str, list[Message]]]:
    """Return the row of a pair: both whole conversations."""
    chosen, rejected = ([*pair.prompt, turn] for turn in layout.answers(pair))
    return [{"chosen": chosen, "rejected": rejected}]


FORMAT = Format("trl-implicit", ("chosen", "rejected"), read, write, COLUMNS, are_conversations, reasoning=True)
