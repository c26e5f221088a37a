"""Read the rows of a preference file as judged pairs, to be imported.

A store holds pairs. Two ratings become one if they are adjacent, of different answers to one prompt, and not both
good, as most tools write a pair; any other rating cannot be imported.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from data.containers.container import Numbered, Unreadable
from data.errors import InputError
from data.formats.format import Example, Format
from data.formats.provenance import origin_of
from data.formats.registry import checked
from data.records import Choice
from data.records.examples import RatedExample
from data.records.judged_pair import JudgedPair, Provenance

_ALONE = "a rating without one of another answer to the same prompt next to it; `prefloop train` learns from those"


class PairReader(NamedTuple):
    """What one row, or a few together, gives: judged pairs, or the reason why there are none.

    number: of the last of these rows; rows: how many they are.
    """

    number: int
    pairs: tuple[JudgedPair, ...] = ()
    reason: str | None = None
    rows: int = 1


class _Waiting(NamedTuple):
    """A rating that the next row may complete to a pair, and its row's provenance."""

    number: int
    rated: RatedExample
    origin: Provenance


def judged_rows(format_: Format, rows: Iterable[Numbered]) -> Iterator[PairReader]:
    """Yield what every row of a file gives, in order."""
    waiting: _Waiting | None = None
    for number, row in rows:
        examples = _examples(format_, row)
        rated = None if isinstance(examples, str) else _rating(examples)
        origin = origin_of(row) if isinstance(row, Mapping) else Provenance()
        if waiting is not None:
            pair = None if rated is None else _paired(waiting.rated, rated)
            if pair is not None:
                pair = _from(pair, Provenance(**{**origin, **waiting.origin}))
                waiting = None
                yield PairReader(number, (pair,), rows=2)
                continue
            yield PairReader(waiting.number, reason=_ALONE)
            waiting = None
        if rated is not None:
            waiting = _Waiting(number, rated, origin)
        elif isinstance(examples, str):
            yield PairReader(number, reason=examples)
        else:
            pairs = (example for example in examples if isinstance(example, JudgedPair))
            yield PairReader(number, tuple(_from(pair, origin) for pair in pairs))
    if waiting is not None:
        yield PairReader(waiting.number, reason=_ALONE)


def _examples(format_: Format, row: object) -> list[Example] | str:
    """Return what a row says, or why it says nothing."""
    if isinstance(row, Unreadable):
        return row.reason
    try:
        return list(format_.read(checked(row)))
    except InputError as error:
        return str(error)


def _from(pair: JudgedPair, origin: Provenance) -> JudgedPair:
    """Add a row's provenance to its pair; what the format itself knows takes precedence."""
    return replace(pair, provenance=Provenance(**{**origin, **pair.provenance})) if origin else pair


def _rating(examples: Iterable[Example]) -> RatedExample | None:
    return next((example for example in examples if isinstance(example, RatedExample)), None)


def _paired(first: RatedExample, second: RatedExample) -> JudgedPair | None:
    """Return two ratings as a pair; None if they do not make one."""
    if first.prompt != second.prompt or first.completion == second.completion:
        return None
    if first.desirable == second.desirable:
        both_bad = JudgedPair(first.prompt, first.completion, second.completion, Choice.BOTH_BAD)
        return None if first.desirable else both_bad
    return JudgedPair(first.prompt, first.completion, second.completion, Choice.A if first.desirable else Choice.B)
