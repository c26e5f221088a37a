"""The base model's licence for messages at start. trainer/loading/license.py finds it."""

from trainer.model.base import Base


def say_license(base: Base) -> str:
    """Return a line about the licence for the start of a server or a training."""
    if base.license is None:
        return "Licence of the model: none found beside it; see where it came from"
    return f"Licence of the model: {base.license}"
