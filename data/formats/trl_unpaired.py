"""TRL's unpaired preferences, for KTO: a prompt, a completion, and whether it is good. A pair is two rows.

Read, prompt and completion may be turns or texts; written, TEXT_FORMAT has texts.

https://huggingface.co/docs/trl/dataset_formats#unpaired-preference
"""

import pyarrow as pa

from data.formats import layout
from data.formats import row as cells
from data.formats.columns import ANSWER_TURNS, TEXT, TURNS
from data.formats.format import RATABLE, Format, ratings
from data.formats.row import FileRow
from data.records.examples import RatedExample
from data.records.judged_pair import JudgedPair

_KEYS = ("prompt", "completion", "label")


def _read(row: FileRow) -> list[RatedExample]:
    """Return the rated answer of a row. Raises InputError with the reason why there is none."""
    prompt, completion = cells.prompt(row, "prompt"), cells.answer(row, "completion")
    return [RatedExample(prompt, completion, desirable=cells.label(row, "label"))]


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    prompt = list(pair.prompt)
    return [
        {"prompt": prompt, "completion": [turn], "label": rated.desirable}
        for turn, rated in zip(layout.answers(pair), ratings(pair), strict=True)
    ]


def _write_texts(pair: JudgedPair) -> list[dict[str, object]]:
    prompt = layout.one_text(pair.prompt)
    return [{"prompt": prompt, "completion": rated.completion, "label": rated.desirable} for rated in ratings(pair)]


FORMAT = Format(
    "trl-unpaired",
    _KEYS,
    _read,
    _write,
    pa.schema([("prompt", TURNS), ("completion", ANSWER_TURNS), ("label", pa.bool_())]),
    choices=RATABLE,
    reasoning=True,
)
TEXT_FORMAT = Format(
    "trl-unpaired-text",
    _KEYS,
    _read,
    _write_texts,
    pa.schema([("prompt", TEXT), ("completion", TEXT), ("label", pa.bool_())]),
    choices=RATABLE,
)
