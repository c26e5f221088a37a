"""Read examples to train from, out of a preference file of any format; `prefloop train` calls it.

A container opens files by name and yields numbered rows; a format recognises rows by their keys and turns each into
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
    """The examples of a file. unit: what its rows are counted by, "line", "entry" or "row"."""

    format: str
    unit: str
    pairs: list[PairExample] = field(default_factory=list)
    rated: list[RatedExample] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_preferences(path: Path) -> PreferenceFile:
    """Return all examples of a file. A bad row is skipped and recorded; a bad file raises InputError.

    The format is that of the first row that matches one, among the first 100; it then holds for the whole file. A
    pair with two bad answers is two ratings; a tie teaches nothing and is skipped.
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
    """Yield what can train from a row. Raises InputError with the reason when nothing can."""
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
