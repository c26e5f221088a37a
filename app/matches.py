"""Pairs that measure: an answer of the champion and one of the version that served before it, to one prompt.

Held-out prompts first, since nothing of them ever trains. Knows nothing of who judges them.
"""

import asyncio
import math
import random

from app.serving.engine import Engine, Job, complete
from app.serving.router import Router
from data.errors import PrefloopError
from data.records import FinishReason, NewCompletion, Prompt, Purpose, Sampling, Split
from data.store import PreferenceStore

_SEEDS = 2**31


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
    """Keeps a few evaluation pairs ready. share: of what annotators are given; buffer: pairs kept ready in all."""

    def __init__(
        self,
        store: PreferenceStore,
        engine: Engine,
        router: Router,
        *,
        sampling: Sampling,
        share: float,
        buffer: int,
        source: random.Random,
    ) -> None:
        self._store = store
        self._engine = engine
        self._router = router
        self._sampling = sampling
        self._wanted = math.ceil(share * buffer)
        self._random = source
        self._given_up: str | None = None
        self._asked: set[int] = set()

    async def make(self) -> bool:
        """Make one evaluation pair if one is missing; whether it came to one.

        Where the version before cannot be served, none is made until there is another champion: work goes on.
        """
        champion = self._router.champion
        if not self._wanted or champion == self._given_up:
            return False
        before = await asyncio.to_thread(self._before, champion)
        if before is None:
            return False
        try:
            return await self._play(before)
        except PrefloopError:
            self._given_up = champion
            return False

    async def _play(self, before: str) -> bool:
        prompt = await asyncio.to_thread(self._next_prompt)
        if prompt is None:
            return False
        async with self._router.lease() as champion, self._router.lease(before):
            newer, older = await asyncio.gather(self._answer(prompt, champion), self._answer(prompt, before))
        if flaw(newer, older):
            return False
        a, b = self._random.sample((newer, older), 2)
        await asyncio.to_thread(self._store.pairs.add_evaluation, prompt.id, a, b, champion=champion)
        return True

    async def _answer(self, prompt: Prompt, version: str) -> NewCompletion:
        seeds = (self._random.randrange(_SEEDS),)
        [completion] = await complete(self._engine, Job(prompt.messages, version, seeds, self._sampling))
        return completion

    def _before(self, champion: str) -> str | None:
        """The version that served before the champion, None if none did or enough pairs are ready."""
        if self._store.pairs.ready(champion, purpose=Purpose.EVAL) >= self._wanted:
            return None
        served = [event.version for event in self._store.versions.serving_history() if event.version != champion]
        return served[-1] if served else None

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
