"""Check that a verdict makes sense in itself, whatever pair it is on. Called by judgments.py."""

from data.errors import InputError
from data.records import Choice, Remarks, Verdict

LONGEST_COMMENT = 2_000
MOST_REASONS = 24
LONGEST_REASON = 64


def assert_sensible(verdict: Verdict, idempotency_key: str) -> None:
    """Raise InputError, with a message that says how to correct it, for a verdict that makes no sense."""
    if verdict.choice is Choice.RETRACTED:
        raise InputError("a judgment is retracted by an undo, not by a verdict")
    if verdict.strength is not None and not verdict.choice.decisive:
        raise InputError("a strength goes with a or b, not with {choice}; leave it out", choice=verdict.choice.value)
    if verdict.strength not in (None, 1, 2, 3):
        raise InputError("strength {strength} is none of 1, 2, 3", strength=verdict.strength)
    if verdict.elapsed_ms is not None and verdict.elapsed_ms < 0:
        raise InputError("elapsed_ms {elapsed_ms} is below 0", elapsed_ms=verdict.elapsed_ms)
    if verdict.edit is not None and not verdict.choice.decisive:
        raise InputError("Only a better answer can be edited: choose A or B, or leave the edit out.")
    if not idempotency_key:
        raise InputError("an idempotency key must be a non-empty text, a different one for each judgment")
    _assert_readable(verdict.remarks)


def _assert_readable(remarks: Remarks) -> None:
    if len(remarks.comment) > LONGEST_COMMENT:
        raise InputError(
            "The comment has {count} characters; at most {most} are kept. Shorten it.",
            count=len(remarks.comment),
            most=LONGEST_COMMENT,
        )
    reasons = (*remarks.reasons_a, *remarks.reasons_b)
    if len(reasons) > MOST_REASONS or any(not 0 < len(reason) <= LONGEST_REASON for reason in reasons):
        raise InputError(
            "at most {most} reasons of 1 to {length} characters are kept", most=MOST_REASONS, length=LONGEST_REASON
        )
    if len(set(remarks.reasons_a)) + len(set(remarks.reasons_b)) < len(reasons):
        raise InputError("a reason is given twice for one side")
