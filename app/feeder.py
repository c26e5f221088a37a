"""The feeder: keeps fresh pairs ready, so that nobody waits for the model.

Samples two answers of the champion to the prompt that has been compared least, drops pairs that teach
nothing, and withdraws ready pairs of a version that serves no more. Knows nothing of annotators.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

from app.config import QueueSettings
from app.matches import Matches, flaw
from app.serving.engine import BASE, Engine, Job
from app.serving.router import Router
from app.troubles import in_words
from data.errors import InputError
from data.records import NewCompletion, Pair, Prompt, Sampling, Thought
from data.store import PreferenceStore
from data.strategies import StrategyName

_ATTEMPTS = 4
_PAUSE_SECONDS = 1.0
_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Draft:
    """A pair being made: what the two sides read so far, with their reasoning, and the stored pair at the end."""

    prompt: Prompt
    texts: tuple[str, str]
    pair: Pair | None
    thoughts: tuple[Thought | None, ...] = ()


class Feeder:
    """Fills the buffer of ready pairs in the background, and makes single pairs on demand.

    queue: how many people judge a pair, and whether its margin is wanted; matches: makes pairs that measure.
    """

    def __init__(
        self,
        store: PreferenceStore,
        engine: Engine,
        router: Router,
        *,
        sampling: Sampling,
        buffer: int,
        workers: int,
        queue: QueueSettings,
        matches: Matches,
        source: random.Random,
    ) -> None:
        self.ready = 0
        self.trouble: str | None = None
        self.set_aside: Counter[str] = Counter()
        self._store = store
        self._engine = engine
        self._router = router
        self._sampling = sampling
        self._buffer = buffer
        self._workers = workers
        self._queue = queue
        self._matches = matches
        self._random = source
        self._filled_for: str | None = None
        self._in_work: set[int] = set()
        self._useless: set[int] = set()
        self._wake = asyncio.Event()
        self._resting = False
        self._making = asyncio.Lock()

    def poke(self) -> None:
        """Look at the buffer now: a pair was taken, or the champion changed."""
        self._wake.set()

    async def run(self) -> None:
        """Fill the buffer until cancelled. An error of the model is kept in `trouble` and tried again."""
        while True:
            self._wake.clear()
            async with self._making:
                made = False if self._resting else await self._make_some()
            if not made:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE_SECONDS):
                        await self._wake.wait()

    async def _make_some(self) -> bool:
        """Make what is missing, a few at a time; whether it came to any."""
        try:
            missing = await self._missing()
            *made, matched = await asyncio.gather(
                *(self._make() for _ in range(min(missing, self._workers))), self._matches.make()
            )
        except Exception as error:  # nobody else would make pairs
            self.trouble = in_words(error, during="pairs were made", before=self.trouble)
            return False
        self.trouble = self._explain() if missing and not any(made) else None
        return any(made) or matched

    async def fill(self, seconds: float) -> None:
        """Wait until the buffer is full, no pair can be made, or so many seconds have passed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.trouble and await self._missing():
            self.poke()
            await asyncio.sleep(_PAUSE_SECONDS)

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """Within, nothing is made ahead: only for those who find nothing ready."""
        self._resting = True
        try:
            async with self._making:  # until what is being made is there
                pass
            yield
        finally:
            self._resting = False
            self.poke()

    async def drafts(self, prompt: Prompt | None = None) -> AsyncGenerator[Draft, None]:
        """Make one pair now, telling how far it is; the last item has the stored pair.

        prompt: the one to answer, else the next. Ends without a pair when it gave none; `trouble` then says why.
        """
        prompt = prompt or await self._next_prompt()
        if prompt is None:
            self.trouble = self._explain()
            return
        try:
            async for draft in self._attempts(prompt):
                yield draft
                if draft.pair:
                    return
        finally:
            self._in_work.discard(prompt.id)

    async def _missing(self) -> int:
        champion = self._router.champion
        if champion != self._filled_for:
            await asyncio.to_thread(self._store.pairs.withdraw_except, champion)
            self._filled_for = champion
        self.ready = await asyncio.to_thread(self._store.pairs.ready, champion)
        return max(0, self._buffer - self.ready)

    async def _make(self) -> bool:
        """Make one pair; whether it came to one."""
        made = False
        async with aclosing(self.drafts()) as drafts:
            async for draft in drafts:
                made = draft.pair is not None
        return made

    async def _next_prompt(self) -> Prompt | None:
        """The prompt to sample for next, reserved so that no two workers take the same."""
        prompt = await asyncio.to_thread(self._store.prompts.next, self._in_work | self._useless)
        while prompt is not None and prompt.id in self._in_work:
            prompt = await asyncio.to_thread(self._store.prompts.next, self._in_work | self._useless)
        if prompt is not None:
            self._in_work.add(prompt.id)
        return prompt

    async def _attempts(self, prompt: Prompt) -> AsyncGenerator[Draft, None]:
        """Try a few times for a pair without flaw; a prompt that gives none is set aside."""
        why = ""
        for _ in range(_ATTEMPTS):
            async with self._router.lease() as version:
                seeds = (self._random.randrange(_SEEDS), self._random.randrange(_SEEDS))
                job = Job(prompt.messages, version, seeds, self._sampling)
                completions: tuple[NewCompletion, ...] = ()
                try:
                    async with aclosing(self._engine.stream(job)) as stream:
                        async for answers in stream:
                            completions = answers.completions or ()
                            yield Draft(prompt, (answers.texts[0], answers.texts[1]), None, answers.thoughts)
                except InputError:
                    why = "a prompt longer than the model can read"
                    break
                a, b = completions
                why = flaw(a, b) or ""
                if not why:
                    yield Draft(prompt, (a.text, b.text), await self._keep(prompt, a, b))
                    return
        self._useless.add(prompt.id)
        self.set_aside[why] += 1

    async def _keep(self, prompt: Prompt, a: NewCompletion, b: NewCompletion) -> Pair:
        overlaps = self._random.random() < self._queue.overlap
        return await asyncio.to_thread(
            self._store.pairs.add,
            prompt.id,
            a,
            b,
            margin=await self._margin(prompt, a, b),
            target_judgments=self._queue.overlap_judgments if overlaps else 1,
        )

    async def _margin(self, prompt: Prompt, a: NewCompletion, b: NewCompletion) -> float | None:
        """The version's implicit reward of a less that of b, against the base (nats); None where nobody asks for it.

        Against the base whatever reference the version was trained with: the base is what there always is.
        """
        if self._queue.strategy is not StrategyName.UNCERTAINTY or a.version == BASE:
            return None
        rewards = [
            sum(one.logprobs) - sum(await self._engine.score(prompt.messages, one.token_ids, BASE)) for one in (a, b)
        ]
        return rewards[0] - rewards[1]

    def _explain(self) -> str:
        """Why no pair could be made, in words."""
        if not self.set_aside:
            return "There are no prompts to sample: start with --prompts FILE."
        counts = ", ".join(f"{n} for {why}" for why, n in self.set_aside.most_common())
        return (
            f"No pair could be made. Prompts set aside: {counts}. Raise max_new_tokens, sample at a higher "
            "temperature, or bring other prompts."
        )
