"""Alpaca rows with two answers, as LLaMA-Factory ranks: `instruction`, `chosen`, `rejected`, maybe `input`.

The user says the instruction and, on the next line, the input. `history` is earlier [user, assistant] turns,
`system` the system message.

https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
"""

from collections.abc import Iterator

from data.errors import InputError
from data.examples import PairExample
from data.formats import row as cells
from data.formats.format import Format
from data.formats.row import Row


def _read(row: Row) -> PairExample:
    """The pair of a row. Raises InputError with the reason why there is none."""
    lines = [cells.text(row, "instruction"), cells.optional_text(row, "input")]
    question = {"role": "user", "content": "\n".join(line for line in lines if line)}
    return PairExample(
        prompt=cells.ask("instruction", [*_history(row), question], cells.optional_text(row, "system")),
        chosen=cells.answer(row, "chosen"),
        rejected=cells.answer(row, "rejected"),
    )


def _history(row: Row) -> Iterator[dict[str, object]]:
    rounds = row.get("history")
    if not isinstance(rounds, list | None):
        raise InputError(f"history is {cells.kind(rounds)}, not a list")
    for exchange in rounds or ():
        if not isinstance(exchange, list) or len(exchange) != 2:
            raise InputError("history holds something that is no pair of question and answer")
        yield {"role": "user", "content": exchange[0]}
        yield {"role": "assistant", "content": exchange[1]}


FORMAT = Format("alpaca-ranking", ("instruction", "chosen", "rejected"), _read)
