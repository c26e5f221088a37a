"""Rows of a query as columns, without a Python object for each cell to stay. Knows nothing of what they mean."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Column(NamedTuple):
    """A whole number a row. code: its type, as in `array`; of: what makes a number of a cell that is none."""

    code: str
    of: Callable[[Any], int] | None = None


def read_columns(chunks: Iterable[Sequence[Sequence[Any]]], columns: Sequence[Column]) -> list[npt.NDArray[Any]]:
    """Each column as an array, (rows,), of rows that come some at a time."""
    found = [array(column.code) for column in columns]
    for rows in chunks:
        for column, kept, cells in zip(columns, found, zip(*rows, strict=True), strict=False):
            kept.extend(cells if column.of is None else map(column.of, cells))
    return [np.frombuffer(kept, kept.typecode) if kept else np.zeros(0, kept.typecode) for kept in found]
