"""A vote: a judgment as the quality measures see it, without the texts."""

from dataclasses import dataclass

from data.records import Choice, Purpose

SAYS_NOTHING = frozenset({Choice.SKIP, Choice.RETRACTED})
"""Choices that are no vote. All others are; a tie and "both bad" are the same vote: neither wins."""


@dataclass(frozen=True, slots=True)
class QualityVote:
    """One judgment by one person; see data/annotation/quality_votes.py.

    item_id: what was compared; a hidden re-ask has the item id of the pair that it repeats. choice and gold are in
    the item's own a and b, not in the sides as shown. swapped: completion b was shown left. length_a, length_b:
    characters. elapsed_ms: how long both could be read, if known. created_at: ms since the Unix epoch. gold: the
    expected choice, where there is one.
    """

    judgment_id: int
    annotator_id: int
    item_id: int
    purpose: Purpose
    choice: Choice
    strength: int | None
    swapped: bool
    length_a: int
    length_b: int
    elapsed_ms: int | None
    created_at: int
    gold: Choice | None = None

    @property
    def winner(self) -> Choice | None:
        """The completion that wins, a or b; None if neither does."""
        return self.choice if self.choice.decisive else None

    @property
    def left(self) -> bool | None:
        """Whether the completion that was shown left wins; None if neither does."""
        return (self.choice is Choice.A) != self.swapped if self.choice.decisive else None

    @property
    def shown_lengths(self) -> tuple[int, int]:
        """Characters of the completions shown left and right."""
        return (self.length_b, self.length_a) if self.swapped else (self.length_a, self.length_b)

    @property
    def longer(self) -> bool | None:
        """Whether the longer completion wins; None if neither wins or neither is longer."""
        if self.length_a == self.length_b or not self.choice.decisive:
            return None
        return (self.choice is Choice.A) == (self.length_a > self.length_b)
