"""Read query results as numpy columns, without keeping a Python object per cell."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Column(NamedTuple):
    """A column of integers. code: its type, as in `array`; of: converts cells that are no integers."""

    code: str
    of: Callable[[Any], int] | None = None


def read_columns(chunks: Iterable[Sequence[Sequence[Any]]], columns: Sequence[Column]) -> list[npt.NDArray[Any]]:
    """Return each column as an array, (rows,), from rows that come in chunks."""
    found = [array(column.code) for column in columns]
    for rows in chunks:
        for column, kept, cells in zip(columns, found, zip(*rows, strict=True), strict=False):
            kept.extend(cells if column.of is None else map(column.of, cells))
    return [np.frombuffer(kept, kept.typecode) if kept else np.zeros(0, kept.typecode) for kept in found]
