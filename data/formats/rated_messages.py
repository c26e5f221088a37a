"""Rated conversations: the last of `messages` is the answer, `label` says whether it is good. A pair is two rows.

As in LLaMA-Factory's kto_en_demo, for KTO.

https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
"""

import pyarrow as pa

from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TURNS
from data.formats.format import RATABLE, Format, ratings
from data.formats.row import FileRow
from data.records.examples import RatedExample
from data.records.judged_pair import JudgedPair


def _read(row: FileRow) -> list[RatedExample]:
    """Return the rated answer of a row. Raises InputError with the reason why there is none."""
    return [cells.rated(row, "messages", "label")]


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    layout.exchanges(pair.prompt)  # LLaMA-Factory skips rows whose turns do not alternate
    return [
        {"messages": [*pair.prompt, layout.answer(rated.completion)], "label": rated.desirable}
        for rated in ratings(pair)
    ]


FORMAT = Format(
    "rated-messages",
    ("messages", "label"),
    _read,
    _write,
    pa.schema([("messages", TURNS), ("label", pa.bool_())]),
    choices=RATABLE,
)
