"""Checks of a selection that training requires before a round starts; Rounds.create takes one as `admit`."""

from collections.abc import Callable

from data.errors import ConflictError
from data.records import Split
from data.rounds.selection import Selection

Admission = Callable[[Selection, float | None], None]
"""Takes a selection and the flip rate of its votes; raises ConflictError, saying what to do, if they do not suffice."""


def decided_pairs(selection: Selection, _: float | None) -> None:
    """Require a decided pair to train on."""
    if not selection.count(Split.TRAIN):
        raise ConflictError(f"no pair with a winner to train on yet{_but(selection)}; judge some pairs first")


def pairs_or_ratings(selection: Selection, _: float | None) -> None:
    """Require a decided pair, or one whose answers are both bad."""
    if not (selection.count(Split.TRAIN) or selection.bad_pairs):
        raise ConflictError(
            f"no pair with a winner or with two bad answers to train on yet{_but(selection)}; judge some pairs first"
        )


def _but(selection: Selection) -> str:
    """Say what else there is that people may have expected to train on."""
    heldout, too_fast = selection.count(Split.HELDOUT), selection.excluded.get("too_fast", 0)
    said = (
        (heldout, f"{heldout} decided ones are on held-out prompts, which never train"),
        (too_fast, f"{too_fast} judgments came too fast for the answers to have been read, see rounds.too_fast"),
    )
    there = "; ".join(words for count, words in said if count)
    return f" ({there})" if there else ""
