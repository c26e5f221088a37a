"""Pairs that measure: an answer of the champion and one of another version, to one prompt.

The other is the version on trial, or else the one that served before.

Held-out prompts first, since nothing of them ever trains. Knows nothing of who judges them.
"""

import asyncio
import math
import random

from app.config import QueueSettings
from app.serving.engine import Engine, Job, complete
from app.serving.router import Router
from data.errors import PrefloopError
from data.records import FinishReason, NewCompletion, Prompt, Purpose, Sampling, Split
from data.store import PreferenceStore

_SEEDS = 2**31
_AT_ONCE = 4


def flaw(a: NewCompletion, b: NewCompletion) -> str | None:
    """Why comparing two completions would teach nothing, or None when it would."""
    if not (a.text and b.text):
        return "an empty answer"
    if FinishReason.LENGTH in (a.finish_reason, b.finish_reason):
        return "an answer cut off at max_new_tokens"
    if a.text.split() == b.text.split():
        return "two identical answers"
    return None


class Matches:
    """Keeps a few evaluation pairs ready. queue: which share people are given; buffer: pairs kept ready in all."""

    def __init__(
        self,
        store: PreferenceStore,
        engine: Engine,
        router: Router,
        *,
        sampling: Sampling,
        queue: QueueSettings,
        buffer: int,
        source: random.Random,
    ) -> None:
        self._store = store
        self._engine = engine
        self._router = router
        self._sampling = sampling
        self._queue = queue
        self._buffer = buffer
        self._random = source
        self._given_up: tuple[str, str] | None = None
        self._asked: set[int] = set()
        self._one_at_a_time = asyncio.Lock()

    async def make(self) -> bool:
        """Make evaluation pairs if some are missing; whether it came to one.

        Where the other version cannot be served, none is made until the two are others: work goes on.
        """
        champion = self._router.champion
        other, missing = await asyncio.to_thread(self._missing, champion)
        if other is None or missing < 1 or (champion, other) == self._given_up:
            return False
        try:
            return any(await asyncio.gather(*(self._play(other) for _ in range(min(missing, _AT_ONCE)))))
        except PrefloopError:
            self._given_up = champion, other
            return False

    async def _play(self, other: str) -> bool:
        async with self._one_at_a_time:
            prompt = await asyncio.to_thread(self._next_prompt)
        if prompt is None:
            return False
        async with self._router.lease() as champion, self._router.lease(other):
            answers = await asyncio.gather(self._answer(prompt, champion), self._answer(prompt, other))
        if flaw(*answers):
            return False
        a, b = self._random.sample(answers, 2)
        await asyncio.to_thread(self._store.pairs.add_evaluation, prompt.id, a, b, champion=champion)
        return True

    async def _answer(self, prompt: Prompt, version: str) -> NewCompletion:
        seeds = (self._random.randrange(_SEEDS),)
        [completion] = await complete(self._engine, Job(prompt.messages, version, seeds, self._sampling))
        return completion

    def _missing(self, champion: str) -> tuple[str | None, int]:
        """The version to play against the champion, None if there is none, and how many pairs are not ready yet."""
        tried = self._store.decisions.tried()
        on_trial = tried is not None and tried.version != champion
        wanted = math.ceil((self._queue.trial if on_trial else self._queue.evaluation) * self._buffer)
        missing = wanted - self._store.pairs.ready(champion, purpose=Purpose.EVAL)
        if tried is not None and on_trial:
            return tried.version, missing
        served = [event.version for event in self._store.versions.serving_history() if event.version != champion]
        return served[-1] if served else None, missing

    def _next_prompt(self) -> Prompt | None:
        """A prompt that was not asked before, while there are such."""
        prompts = self._store.prompts
        found = prompts.next(self._asked, Split.HELDOUT) or prompts.next(self._asked)
        if found is None and self._asked:
            self._asked.clear()
            found = prompts.next((), Split.HELDOUT) or prompts.next()
        if found is not None:
            self._asked.add(found.id)
        return found
