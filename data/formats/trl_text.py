"""TRL's preferences with an explicit prompt, as texts, for models without a chat template. Only single user turns.

Read, such rows are detected as trl, which also holds turns.

https://huggingface.co/docs/trl/dataset_formats#preference
"""

import pyarrow as pa

from data.formats import layout, trl
from data.formats.columns import TEXT
from data.formats.format import Format
from data.records.judged_pair import JudgedPair


def _write(pair: JudgedPair) -> list[dict[str, str]]:
    return [{"prompt": layout.one_text(pair.prompt), "chosen": pair.chosen, "rejected": pair.rejected}]


FORMAT = Format(
    "trl-text",
    ("prompt", "chosen", "rejected"),
    trl.read,
    _write,
    pa.schema([("prompt", TEXT), ("chosen", TEXT), ("rejected", TEXT)]),
)
