"""Prompts that are never sampled again, and why. Knows nothing of what is in their way."""

from collections import Counter
from dataclasses import dataclass

from data.records import Prompt

_FIRST_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class AsidePrompt:
    """A prompt that is set aside. words: how its last turn begins; reason: the kind of obstacle."""

    id: int
    words: str
    reason: str


class SetAside:
    """Prompts that the model can never be asked, since the server started; what chance may change never comes here."""

    def __init__(self) -> None:
        self._prompts: dict[int, AsidePrompt] = {}

    @property
    def ids(self) -> frozenset[int]:
        """Of all of them."""
        return frozenset(self._prompts)

    @property
    def prompts(self) -> tuple[AsidePrompt, ...]:
        """All of them, in the order in which they came."""
        return tuple(self._prompts.values())

    @property
    def by_reason(self) -> Counter[str]:
        """How many there are of each kind."""
        return Counter(prompt.reason for prompt in self._prompts.values())

    def add(self, prompt: Prompt, reason: str) -> None:
        """Ask this one no more."""
        words = " ".join(prompt.messages[-1]["content"].split())[:_FIRST_CHARACTERS]
        self._prompts[prompt.id] = AsidePrompt(prompt.id, words, reason)

    def __str__(self) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in self.by_reason.most_common())
