"""How much a text repeats itself, by its words."""

from collections.abc import Sequence

_RUN = 4


def distinct(items: Sequence[object]) -> float:
    """Different items by all of them (Li 2016, 1510.03055); 0 of none."""
    return len(set(items)) / len(items) if items else 0.0


def repetition(words: Sequence[str]) -> float:
    """The share of a text's runs of four words that have been there before: seq-rep-4 (Welleck 2020, 1908.04319)."""
    runs = list(zip(*(words[start:] for start in range(_RUN)), strict=False))
    return 1 - distinct(runs) if runs else 0.0
