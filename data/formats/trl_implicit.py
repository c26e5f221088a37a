"""TRL's preferences with the prompt inside: two conversations that share all but the last answer.

The prompt is the turns that both begin with, the answers are what follows, one assistant turn each. A `prompt`
that is a text besides two conversations says the same once more, as in UltraFeedback; it is passed over, as TRL
does. Written without it.

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
    """Whether chosen is a conversation of its own, not only an answer to `prompt`."""
    chosen, rejected = row["chosen"], row["rejected"]
    if not isinstance(chosen, list) or not isinstance(rejected, list) or isinstance(row.get("prompt"), list):
        return False
    return row.get("prompt") is None or len(chosen) > 1


def read(row: FileRow) -> list[JudgedPair]:
    """The pair of a row. Raises InputError with the reason why there is none."""
    chosen, rejected = cells.turns(row, "chosen"), cells.turns(row, "rejected")
    parted = cells.parted(("chosen", "rejected"), chosen, rejected, before=cells.system(row))
    return [JudgedPair(*parted, strength=cells.margin(row))]


def write(pair: JudgedPair) -> list[dict[str, list[Message]]]:
    """The row of a pair: both conversations whole."""
    chosen, rejected = ([*pair.prompt, turn] for turn in layout.answers(pair))
    return [{"chosen": chosen, "rejected": rejected}]


FORMAT = Format("trl-implicit", ("chosen", "rejected"), read, write, COLUMNS, are_conversations, reasoning=True)
