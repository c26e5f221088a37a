"""The base model's licence, said where people look: at start, in exports. Found by trainer/loading/license.py."""

from trainer.model.base import Base


def say_license(base: Base) -> str:
    """One line for the start of a server or a training."""
    if base.license is None:
        return "Licence of the model: none found beside it; see where it came from"
    return f"Licence of the model: {base.license}"
