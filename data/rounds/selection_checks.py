"""What a training asks of the judgments that a round would use. Knows nothing of tables or of who trains."""

from collections.abc import Callable

from data.errors import ConflictError
from data.records import Split
from data.rounds.selection import Selection

Admission = Callable[[Selection, float | None], None]
"""Given a selection and the flip rate of its votes; raises ConflictError, with the way out, if they will not do."""


def decided_pairs(selection: Selection, _: float | None) -> None:
    """Ask for a decided pair to train on."""
    if not selection.count(Split.TRAIN):
        raise ConflictError(f"no pair with a winner to train on yet{_but(selection)}; judge some pairs first")


def pairs_or_ratings(selection: Selection, _: float | None) -> None:
    """Ask for a decided pair, or one whose answers are both bad."""
    if not (selection.count(Split.TRAIN) or selection.bad_pairs):
        raise ConflictError(
            f"no pair with a winner or with two bad answers to train on yet{_but(selection)}; judge some pairs first"
        )


def _but(selection: Selection) -> str:
    """What there is besides, that people may have taken for something to train on."""
    heldout, too_fast = selection.count(Split.HELDOUT), selection.excluded.get("too_fast", 0)
    said = (
        (heldout, f"{heldout} decided ones are on held-out prompts, which never train"),
        (too_fast, f"{too_fast} judgments came too fast for the answers to have been read, see rounds.too_fast"),
    )
    there = "; ".join(words for count, words in said if count)
    return f" ({there})" if there else ""
