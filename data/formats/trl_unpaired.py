"""TRL's unpaired preferences: a prompt, a completion, and whether it is good.

https://huggingface.co/docs/trl/dataset_formats#unpaired-preference
"""

from data.examples import RatedExample
from data.formats import row as cells
from data.formats.format import Format
from data.formats.row import Row


def _read(row: Row) -> RatedExample:
    """The rated answer of a row. Raises InputError with the reason why there is none."""
    return RatedExample(
        prompt=cells.prompt(row, "prompt"),
        completion=cells.answer(row, "completion"),
        desirable=cells.label(row, "label"),
    )


FORMAT = Format("trl-unpaired", ("prompt", "completion", "label"), _read)
