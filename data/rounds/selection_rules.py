"""The settings of selection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SelectionRules:
    """Which decided pairs a round uses; the defaults use all.

    since_last: only training pairs judged since the last round that ended with a version, plus `replay`, a share of the
    older ones, always the same. agreement: the winner's least share of a pair's votes for either answer.
    least_strength: the least mean strength of the winning votes, 1 to 3. Held-out pairs only measure: they are never
    too old.
    """

    since_last: bool = False
    replay: float = 0.0
    agreement: float = 0.0
    least_strength: float = 1.0


TAKE_ALL = SelectionRules()
