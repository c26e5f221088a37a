"""ShareGPT turns as LLaMA-Factory reads them: `conversations` with two answers, or with a rated one.

Ranking: `chosen` and `rejected` in addition. KTO: the last turn is the answer, `kto_tag` says whether it is good; a
pair is two rows. A `system` cell is the system message, unless the conversation begins with its own; written, it does.

https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
"""

import pyarrow as pa

from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TEXT
from data.formats.format import RATABLE, Format, ratings
from data.formats.row import FileRow
from data.records import Message
from data.records.examples import RatedExample
from data.records.judged_pair import JudgedPair

_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
_TURN = pa.struct([("from", TEXT), ("value", TEXT)])
_TURNS = pa.list_(_TURN)


def _read_ranking(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    return [
        JudgedPair(
            cells.ask("conversations", cells.turns(row, "conversations"), cells.system(row)),
            cells.answer(row, "chosen"),
            cells.answer(row, "rejected"),
        )
    ]


def _read_kto(row: FileRow) -> list[RatedExample]:
    """Return the rated answer of a row. Raises InputError with the reason why there is none."""
    return [cells.rated(row, "conversations", "kto_tag")]


def _write_ranking(pair: JudgedPair) -> list[dict[str, object]]:
    return [
        {
            "conversations": _conversation(pair),
            "chosen": _turn(layout.answer(pair.chosen)),
            "rejected": _turn(layout.answer(pair.rejected)),
        }
    ]


def _write_kto(pair: JudgedPair) -> list[dict[str, object]]:
    return [
        {
            "conversations": [*_conversation(pair), _turn(layout.answer(rated.completion))],
            "kto_tag": rated.desirable,
        }
        for rated in ratings(pair)
    ]


def _conversation(pair: JudgedPair) -> list[dict[str, str]]:
    layout.exchanges(pair.prompt)  # LLaMA-Factory skips rows whose turns do not alternate
    return [_turn(turn) for turn in pair.prompt]


def _turn(turn: Message) -> dict[str, str]:
    return {"from": _SPEAKERS[turn["role"]], "value": turn["content"]}


RANKING = Format(
    "sharegpt-ranking",
    ("conversations", "chosen", "rejected"),
    _read_ranking,
    _write_ranking,
    pa.schema([("conversations", _TURNS), ("chosen", _TURN), ("rejected", _TURN)]),
)
KTO = Format(
    "sharegpt-kto",
    ("conversations", "kto_tag"),
    _read_kto,
    _write_kto,
    pa.schema([("conversations", _TURNS), ("kto_tag", pa.bool_())]),
    choices=RATABLE,
)
