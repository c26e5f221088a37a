"""Prompts that the model can never be asked, and why."""

from collections import Counter
from dataclasses import dataclass

from data.records import Prompt

_FIRST_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class AsidePrompt:
    """A prompt that is set aside. words: the beginning of its last turn; reason: why it cannot be asked."""

    id: int
    words: str
    reason: str


class SetAside:
    """Prompts set aside since the server started; obstacles that may pass by chance do not count."""

    def __init__(self) -> None:
        self._prompts: dict[int, AsidePrompt] = {}

    @property
    def ids(self) -> frozenset[int]:
        """Ids of the prompts set aside."""
        return frozenset(self._prompts)

    @property
    def prompts(self) -> tuple[AsidePrompt, ...]:
        """The prompts set aside, in order."""
        return tuple(self._prompts.values())

    @property
    def by_reason(self) -> Counter[str]:
        """Numbers of prompts by reason."""
        return Counter(prompt.reason for prompt in self._prompts.values())

    def add(self, prompt: Prompt, reason: str) -> None:
        """Set a prompt aside, so that it is not sampled any more."""
        words = " ".join(prompt.messages[-1]["content"].split())[:_FIRST_CHARACTERS]
        self._prompts[prompt.id] = AsidePrompt(prompt.id, words, reason)

    def __str__(self) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in self.by_reason.most_common())
