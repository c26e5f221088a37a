"""ShareGPT turns with two answers, as LLaMA-Factory ranks: `conversations`, `chosen`, `rejected`.

A `system` cell is the system message, unless the conversation begins with its own.

https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
"""

from data.examples import PairExample
from data.formats import row as cells
from data.formats.format import Format
from data.formats.row import Row


def _read(row: Row) -> PairExample:
    """The pair of a row. Raises InputError with the reason why there is none."""
    return PairExample(
        prompt=cells.ask("conversations", cells.turns(row, "conversations"), cells.optional_text(row, "system")),
        chosen=cells.answer(row, "chosen"),
        rejected=cells.answer(row, "rejected"),
    )


FORMAT = Format("sharegpt-ranking", ("conversations", "chosen", "rejected"), _read)
