"""What any engine can do: answer a prompt under a named version, load and unload versions.

Knows nothing of which version should serve: that is the router's.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data.records import Message, NewCompletion, Sampling, Thought
from trainer.interface.manifest import Canary

BASE = "base"


@dataclass(frozen=True, slots=True)
class SamplingJob:
    """Answers to draw for one prompt by one version: one per seed."""

    messages: tuple[Message, ...]
    version: str
    seeds: tuple[int, ...]
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Answers:
    """What a job has so far: the answers' texts, one per seed, and at the end the completions.

    thoughts: what was reasoned before each, if the engine can tell.
    """

    texts: tuple[str, ...]
    completions: tuple[NewCompletion, ...] | None = None
    thoughts: tuple[Thought | None, ...] = ()


class Engine(Protocol):
    """A model that answers. A version is served under its name and no other; "base" is always there."""

    @property
    def way(self) -> str:
        """In words, how answers go through the model: fast or slow, and why."""
        ...

    def stream(self, job: SamplingJob) -> AsyncGenerator[Answers, None]:
        """Answer a job; the last item has the completions.

        Raises InputError when the prompt leaves no room, AdapterError when the version is not loaded,
        ModelError when the engine failed. Closing the iterator gives the job up.
        """
        ...

    async def load(self, version: str, path: Path) -> None:
        """Check an adapter directory and make it answer under a name. Raises AdapterError with the reason."""
        ...

    async def unload(self, version: str) -> None:
        """Forget a version no job uses. Raises AdapterError when it is in use or not loaded."""
        ...

    async def score(self, messages: Sequence[Message], token_ids: Sequence[int], version: str) -> tuple[float, ...]:
        """Log-probability of each of the given completion tokens under a version, in nats."""
        ...

    async def score_canary(self, canary: Canary, version: str) -> tuple[float, ...]:
        """The same for a canary's answer, to its prompt as it was read in training."""
        ...

    async def offload(self) -> None:
        """Leave the accelerator's memory, once the jobs under way have ended, until `reload`.

        Meanwhile whatever else is asked raises ConflictError; what was loaded stays so.
        """
        ...

    async def reload(self) -> None:
        """Come back with all that was loaded. Nothing happens to one that is not offloaded."""
        ...

    def close(self) -> None:
        """Stop; jobs under way fail."""
        ...


async def complete(engine: Engine, job: SamplingJob) -> tuple[NewCompletion, ...]:
    """Answer a job to its end."""
    completions = None
    async for answers in engine.stream(job):
        completions = answers.completions
    if completions is None:
        raise RuntimeError("the engine's stream ended without completions")
    return completions
