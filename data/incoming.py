"""The rows of a preference file as judged pairs. Knows nothing of where they go.

A store keeps pairs. Ratings become one where two answers to one prompt, not both good, stand one after the other, as
most tools write what had been a pair; any other rating is a row that says nothing here.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from data.containers.container import Numbered, Unreadable
from data.errors import InputError
from data.examples import RatedExample
from data.formats.format import Example, Format
from data.formats.registry import checked
from data.judged_pair import JudgedPair
from data.records import Choice

_ALONE = "a rating without one of another answer to the same prompt next to it; `prefloop train` learns from those"


class Incoming(NamedTuple):
    """What one row says, or a few together: judged pairs, or the reason why there are none.

    number: of the last of the rows, so many.
    """

    number: int
    pairs: tuple[JudgedPair, ...] = ()
    reason: str | None = None
    rows: int = 1


def judged_rows(format_: Format, rows: Iterable[Numbered]) -> Iterator[Incoming]:
    """Every row of a file of a format, in its order."""
    waiting: tuple[int, RatedExample] | None = None
    for number, row in rows:
        examples = _examples(format_, row)
        rated = None if isinstance(examples, str) else _rating(examples)
        if waiting is not None:
            pair = None if rated is None else _paired(waiting[1], rated)
            if pair is not None:
                waiting = None
                yield Incoming(number, (pair,), rows=2)
                continue
            yield Incoming(waiting[0], reason=_ALONE)
            waiting = None
        if rated is not None:
            waiting = (number, rated)
        elif isinstance(examples, str):
            yield Incoming(number, reason=examples)
        else:
            yield Incoming(number, tuple(example for example in examples if isinstance(example, JudgedPair)))
    if waiting is not None:
        yield Incoming(waiting[0], reason=_ALONE)


def _examples(format_: Format, row: object) -> list[Example] | str:
    """What a row says, or why it says nothing."""
    if isinstance(row, Unreadable):
        return row.reason
    try:
        return list(format_.read(checked(row)))
    except InputError as error:
        return str(error)


def _rating(examples: Iterable[Example]) -> RatedExample | None:
    return next((example for example in examples if isinstance(example, RatedExample)), None)


def _paired(first: RatedExample, second: RatedExample) -> JudgedPair | None:
    """Two ratings as a pair; None if they do not make one."""
    if first.prompt != second.prompt or first.completion == second.completion:
        return None
    if first.desirable == second.desirable:
        both_bad = JudgedPair(first.prompt, first.completion, second.completion, Choice.BOTH_BAD)
        return None if first.desirable else both_bad
    return JudgedPair(first.prompt, first.completion, second.completion, Choice.A if first.desirable else Choice.B)
