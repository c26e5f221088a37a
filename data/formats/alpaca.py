"""Alpaca rows as LLaMA-Factory reads them: `instruction`, maybe `input`, with two answers or a rated one.

The user message is the instruction and, on the next line, the input; written, all of it is in the instruction.
`history` has earlier [user, assistant] turns, `system` the system message. Ranking: `chosen` and `rejected`. KTO:
`output`, and `kto_tag` says whether it is good; a pair is two rows.

https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
"""

from collections.abc import Iterator

import pyarrow as pa

from data.errors import InputError
from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TEXT
from data.formats.format import RATABLE, Format, ratings
from data.formats.row import FileRow
from data.records import Message
from data.records.examples import RatedExample
from data.records.judged_pair import JudgedPair

_ASKED = [
    ("instruction", TEXT),
    # never null: if a file begins with nulls only, `datasets` fails at the first text after them
    pa.field("input", TEXT, nullable=False),
    pa.field("system", TEXT, nullable=False),
    ("history", pa.list_(pa.list_(TEXT))),
]


def _read_ranking(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    return [JudgedPair(_prompt(row), cells.answer(row, "chosen"), cells.answer(row, "rejected"))]


def _read_kto(row: FileRow) -> list[RatedExample]:
    """Return the rated answer of a row. Raises InputError with the reason why there is none."""
    return [RatedExample(_prompt(row), cells.answer(row, "output"), desirable=cells.label(row, "kto_tag"))]


def _prompt(row: FileRow) -> tuple[Message, ...]:
    lines = [cells.text(row, "instruction"), cells.optional_text(row, "input")]
    question = {"role": "user", "content": "\n".join(line for line in lines if line)}
    return cells.ask("instruction", [*_history(row), question], cells.system(row))


def _history(row: FileRow) -> Iterator[dict[str, object]]:
    rounds = row.get("history")
    if not isinstance(rounds, list | None):
        raise InputError(f"history is {cells.kind(rounds)}, not a list")
    for exchange in rounds or ():
        if not isinstance(exchange, list) or len(exchange) != 2:
            raise InputError("history holds something that is no pair of question and answer")
        yield {"role": "user", "content": exchange[0]}
        yield {"role": "assistant", "content": exchange[1]}


def _write_ranking(pair: JudgedPair) -> list[dict[str, object]]:
    return [{**_asked(pair), "chosen": pair.chosen, "rejected": pair.rejected}]


def _write_kto(pair: JudgedPair) -> list[dict[str, object]]:
    return [{**_asked(pair), "output": rated.completion, "kto_tag": rated.desirable} for rated in ratings(pair)]


def _asked(pair: JudgedPair) -> dict[str, object]:
    system, history, question = layout.exchanges(pair.prompt)
    return {"instruction": question, "input": "", "system": system, "history": [list(said) for said in history]}


RANKING = Format(
    "alpaca-ranking",
    ("instruction", "chosen", "rejected"),
    _read_ranking,
    _write_ranking,
    pa.schema([*_ASKED, ("chosen", TEXT), ("rejected", TEXT)]),
)
KTO = Format(
    "alpaca-kto",
    ("instruction", "output", "kto_tag"),
    _read_kto,
    _write_kto,
    pa.schema([*_ASKED, ("output", TEXT), ("kto_tag", pa.bool_())]),
    choices=RATABLE,
)
