"""What annotators may see of an error: never the name of a model or version."""

from data.errors import ConflictError, DiskFullError, HomeError, InputError, PrefloopError, PromptError
from data.records import Annotator, Role

_FAILED = "The model cannot answer just now. An admin can see why."
_CANNOT_BE_ASKED = (
    "The model cannot be asked this: it is too long, or has turns that the model does not take. "
    "Start again with a shorter question."
)
_DISK_FULL = "The server's disk is full: nothing can be saved until somebody makes room. What was saved is not lost."
_STORE_FAILED = "The server cannot read or save just now. An admin can see why."
_NO_PAIR = "No pairs available. Please contact an admin."


def redact_for(error: PrefloopError, annotator: Annotator | None) -> PrefloopError:
    """Return the error as this person may see it: errors of their own input as they are, others only for admins."""
    if _sees_all(annotator):
        return error
    if isinstance(error, PromptError):  # its text comes from the model's template, or names the model
        return PromptError(_CANNOT_BE_ASKED, reason=error.reason)
    if isinstance(error, InputError | ConflictError):
        return error
    if isinstance(error, DiskFullError):
        return PrefloopError(_DISK_FULL)
    return PrefloopError(_STORE_FAILED if isinstance(error, HomeError) else _FAILED)


def last_error_for(trouble: str | None, annotator: Annotator) -> str | None:
    """Return why no pair can be made, as this person may see it; None without an error."""
    return trouble if trouble is None or _sees_all(annotator) else _NO_PAIR


def _sees_all(annotator: Annotator | None) -> bool:
    return annotator is not None and annotator.role is Role.ADMIN
