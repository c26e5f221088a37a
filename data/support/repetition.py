"""How much a text repeats itself, by its words."""

from collections.abc import Sequence

_RUN = 4


def distinct(items: Sequence[object]) -> float:
    """Return the share of different items among all (Li 2016, 1510.03055); 0 if there are none."""
    return len(set(items)) / len(items) if items else 0.0


def repetition(words: Sequence[str]) -> float:
    """Return the share of a text's four-word runs that occurred before: seq-rep-4 (Welleck 2020, 1908.04319)."""
    runs = list(zip(*(words[start:] for start in range(_RUN)), strict=False))
    return 1 - distinct(runs) if runs else 0.0
