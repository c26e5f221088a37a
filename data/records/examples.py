"""Training examples as files hold them: a preference pair, or a rated answer.

data/formats reads them from files, and the trainer learns from them; they are texts only, without ids,
log-probabilities or versions.
"""

from dataclasses import dataclass

from data.errors import InputError
from data.records import Message


@dataclass(frozen=True, slots=True)
class PairExample:
    """Two different answers to one prompt, and which is better; strength: by how much, in 1-3.

    Raises InputError if nothing can be learned from it.
    """

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    strength: float = 1.0

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)
        _check_answer("chosen", self.chosen)
        _check_answer("rejected", self.rejected)
        if self.chosen == self.rejected:
            raise InputError("chosen and rejected are the same")
        if not 1 <= self.strength <= 3:
            raise InputError(f"strength {self.strength} is not in 1-3")


@dataclass(frozen=True, slots=True)
class RatedExample:
    """One answer to a prompt, rated good or bad. Raises InputError if nothing can be learned from it."""

    prompt: tuple[Message, ...]
    completion: str
    desirable: bool

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)
        _check_answer("completion", self.completion)


def _check_prompt(prompt: tuple[Message, ...]) -> None:
    if not prompt or prompt[-1]["role"] != "user":
        raise InputError("the prompt has no user turn at its end")


def _check_answer(name: str, text: str) -> None:
    if not text.strip():
        raise InputError(f"{name} is empty")
