"""What can be known of a pair, as the API and the command line take it."""

from enum import StrEnum


class Expectable(StrEnum):
    """The choice that a known pair expects, in the pair's own a and b."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"
