"""Rated conversations: the last of `messages` is the answer, `label` says whether it is good.

As in LLaMA-Factory's kto_en_demo: https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
"""

from data.errors import InputError
from data.examples import RatedExample
from data.formats import row as cells
from data.formats.format import Format
from data.formats.row import Row


def _read(row: Row) -> RatedExample:
    """The rated answer of a row. Raises InputError with the reason why there is none."""
    messages = cells.turns(row, "messages")
    if not messages:
        raise InputError("messages is empty")
    return RatedExample(
        prompt=cells.ask("messages before the last", messages[:-1]),
        completion=cells.spoken("the last of messages", messages[-1]),
        desirable=cells.label(row, "label"),
    )


FORMAT = Format("rated-messages", ("messages", "label"), _read)
