"""TRL's preferences with the prompt inside: two conversations that share all but the last answer.

The prompt is the turns that both begin with, the answers are what follows, one assistant turn each. A `prompt`
that is a text besides two conversations says the same once more, as in UltraFeedback; it is passed over, as TRL
does.

https://huggingface.co/docs/trl/dataset_formats#preference
"""

from data.errors import InputError
from data.examples import PairExample
from data.formats import row as cells
from data.formats.format import Format
from data.formats.row import Row
from data.records import Message


def _shape(row: Row) -> bool:
    """Whether chosen is a conversation of its own, not only an answer to `prompt`."""
    chosen, rejected = row["chosen"], row["rejected"]
    if not isinstance(chosen, list) or not isinstance(rejected, list) or isinstance(row.get("prompt"), list):
        return False
    return "prompt" not in row or len(chosen) > 1


def _read(row: Row) -> PairExample:
    """The pair of a row. Raises InputError with the reason why there is none."""
    chosen, rejected = cells.turns(row, "chosen"), cells.turns(row, "rejected")
    if chosen == rejected:
        raise InputError("chosen and rejected are the same")
    shared = _shared(chosen, rejected)
    if not shared:
        raise InputError("chosen and rejected share no prompt")
    return PairExample(
        prompt=cells.ask("the prompt", chosen[:shared]),
        chosen=_last(chosen, shared, "chosen"),
        rejected=_last(rejected, shared, "rejected"),
    )


def _shared(chosen: list[Message], rejected: list[Message]) -> int:
    pairs = enumerate(zip(chosen, rejected, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(chosen), len(rejected)))


def _last(turns: list[Message], shared: int, key: str) -> str:
    if len(turns) != shared + 1:
        raise InputError(f"{key} has {len(turns) - shared} turns after the shared prompt, not one answer")
    return cells.spoken(key, turns[-1])


FORMAT = Format("trl-implicit", ("chosen", "rejected"), _read, _shape)
