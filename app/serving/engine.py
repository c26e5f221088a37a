"""The interface of an engine: answer a prompt with a named version, load and unload versions.

The router decides which version serves.
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
    """Answers to sample for one prompt with one version: one per seed."""

    messages: tuple[Message, ...]
    version: str
    seeds: tuple[int, ...]
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Answers:
    """State of a job: the answers' texts so far, one per seed, and the completions when it has ended.

    thoughts: the reasoning before each answer, if the engine can separate it.
    """

    texts: tuple[str, ...]
    completions: tuple[NewCompletion, ...] | None = None
    thoughts: tuple[Thought | None, ...] = ()


class Engine(Protocol):
    """A model that answers. A version is served under its own name only; "base" is always available."""

    @property
    def way(self) -> str:
        """How answers go through the model, in words: fast or slow, and why."""
        ...

    def stream(self, job: SamplingJob) -> AsyncGenerator[Answers, None]:
        """Answer a job; the last item has the completions.

        Raises InputError when the prompt leaves no room, AdapterError when the version is not loaded,
        ModelError when the engine failed. Closing the iterator cancels the job.
        """
        ...

    async def load(self, version: str, path: Path) -> None:
        """Check an adapter directory and load it under a version name. Raises AdapterError with the reason."""
        ...

    async def unload(self, version: str) -> None:
        """Unload a version that no job uses. Raises AdapterError when it is in use or not loaded."""
        ...

    async def score(self, messages: Sequence[Message], token_ids: Sequence[int], version: str) -> tuple[float, ...]:
        """Return the log-probability of each completion token under a version, in nats."""
        ...

    async def score_canary(self, canary: Canary, version: str) -> tuple[float, ...]:
        """Return the same for a canary's answer, with its prompt as tokenized in training."""
        ...

    async def offload(self) -> None:
        """Free the accelerator's memory after the running jobs, until `reload`.

        Until then all other calls raise ConflictError; loaded versions stay registered.
        """
        ...

    async def reload(self) -> None:
        """Undo `offload`, with all loaded versions; does nothing if not offloaded."""
        ...

    def close(self) -> None:
        """Stop the engine; running jobs fail."""
        ...


async def complete(engine: Engine, job: SamplingJob) -> tuple[NewCompletion, ...]:
    """Answer a job to its end."""
    completions = None
    async for answers in engine.stream(job):
        completions = answers.completions
    if completions is None:
        raise RuntimeError("the engine's stream ended without completions")
    return completions
