"""Reads preferences to train from, out of a file somebody brings, whatever its format. Knows nothing of where they go.

A container opens files by their names and gives numbered rows; a format knows rows by their keys and turns one into
examples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from data.containers import registry as containers
from data.containers.container import FileLimits
from data.errors import InputError
from data.formats import registry
from data.formats.format import DECISIVE, Example, Format, ratings
from data.records import Choice
from data.records.examples import PairExample, RatedExample


class Skipped(NamedTuple):
    """A row that gave no example, by its number in the file's unit, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class PreferenceFile:
    """What a file gave. unit is what its rows are counted by: "line", "entry" or "row"."""

    format: str
    unit: str
    pairs: list[PairExample] = field(default_factory=list)
    rated: list[RatedExample] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_preferences(path: Path) -> PreferenceFile:
    """All examples of a file. One bad row is skipped and named; a bad file raises InputError.

    The format is that of the first row, among the first 100, which matches one; it then holds for the whole file. A
    pair of which both answers are bad is two ratings; a tie teaches nothing and is skipped.
    """
    unit, rows = containers.opening(path).read(path, FileLimits())
    head = list(islice(rows, registry.LOOKED_AT))
    if not head:
        raise InputError(f"{path} holds no row; put a JSON object on each line")
    try:
        format_ = registry.detect(head, unit)
    except InputError as error:
        raise InputError(f"{path}, {error}") from error
    file = PreferenceFile(format_.name, unit)
    for number, row in chain(head, rows):
        try:
            examples = list(_examples(format_, row))
        except InputError as error:
            file.skipped.append(Skipped(number, str(error)))
            continue
        file.pairs.extend(example for example in examples if isinstance(example, PairExample))
        file.rated.extend(example for example in examples if isinstance(example, RatedExample))
    if not file.pairs and not file.rated:
        number, reason = file.skipped[0]
        raise InputError(
            f"{path}: read as {file.format}, none of its {len(file.skipped)} rows can train; "
            f"{unit} {number}: {reason}; mend the rows or give another file"
        )
    return file


def _examples(format_: Format, row: object) -> Iterator[PairExample | RatedExample]:
    """What of a row can train. Raises InputError with the reason when nothing can."""
    said = [example for example in format_.read(registry.checked(row)) if not _is_tie(example)]
    if not said:
        raise InputError("a tie, from which nothing can be learnt")
    for example in said:
        if isinstance(example, RatedExample):
            yield example
        elif example.choice in DECISIVE:
            yield PairExample(example.prompt, example.chosen, example.rejected, example.strength or 1.0)
        else:
            yield from ratings(example)


def _is_tie(example: Example) -> bool:
    return not isinstance(example, RatedExample) and example.choice is Choice.TIE
