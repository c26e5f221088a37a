"""What a training asks of the judgments that a round would use. Knows nothing of tables or of who trains."""

from collections.abc import Callable

from data.errors import ConflictError
from data.records import Split
from data.selection import Selection

Admission = Callable[[Selection, float | None], None]
"""Given a selection and the flip rate of its votes; raises ConflictError, with the way out, if they will not do."""


def decided_pairs(selection: Selection, _: float | None) -> None:
    """Ask for a decided pair to train on."""
    if not selection.of(Split.TRAIN):
        raise ConflictError(f"no pair with a winner to train on yet{_held_out(selection)}; judge some pairs first")


def pairs_or_ratings(selection: Selection, _: float | None) -> None:
    """Ask for a decided pair, or one whose answers are both bad."""
    if not (selection.of(Split.TRAIN) or selection.both_bad):
        raise ConflictError(
            f"no pair with a winner or with two bad answers to train on yet{_held_out(selection)}; "
            "judge some pairs first"
        )


def _held_out(selection: Selection) -> str:
    heldout = len(selection.of(Split.HELDOUT))
    return f" ({heldout} decided ones are on held-out prompts, which never train)" if heldout else ""
