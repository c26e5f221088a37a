"""The feeder: keeps fresh pairs ready, so that nobody waits for the model.

It samples two answers of the champion to the prompt with the fewest comparisons, drops pairs that teach nothing, and
withdraws ready pairs of a version that no longer serves. Several pairs are made concurrently; whenever one is ready,
the next one starts. The desk leases the pairs to annotators.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from app.annotation.crew import Crew
from app.annotation.eval_feeder import EvalFeeder, flaw
from app.annotation.prompt_line import PromptLine
from app.annotation.queue_settings import QueueSettings
from app.annotation.tries import Tries
from app.background.loop import Loop
from app.serving.engine import BASE, Engine, SamplingJob
from app.serving.router import Router
from app.settings_file import HERE, SettingsFile
from data.annotation.strategies import StrategyName
from data.errors import PromptError
from data.records import NewCompletion, Pair, Prompt, Sampling, Thought
from data.store import PreferenceStore

_ATTEMPTS = 4
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_FRUITLESS = 8  # after this many prompts in a row without a pair, it is not chance any more
_SEEDS = 2**31
_NO_PROMPTS = "There are no prompts to sample: add some on the page Prompts, or start the server with --prompts FILE."


@dataclass(frozen=True, slots=True)
class Draft:
    """A pair being made: the two texts so far, with their reasoning, and the stored pair at the end."""

    prompt: Prompt
    texts: tuple[str, str]
    pair: Pair | None
    thoughts: tuple[Thought | None, ...] = ()


class Feeder:
    """Fills the buffer of ready pairs in the background, and makes single pairs on demand.

    workers: how many pairs are made at once; queue: how many people judge a pair, and whether its margin is needed;
    eval_feeder: makes evaluation pairs. tries: counts attempts at training pairs since the server started.
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
        eval_feeder: EvalFeeder,
        source: random.Random,
        file: SettingsFile = HERE,
    ) -> None:
        self.ready = 0
        self.loop = Loop("making pairs", self._step, every=_PAUSE_SECONDS)
        self.aside = eval_feeder.aside
        self.tries = Tries()
        self._store = store
        self._engine = engine
        self._router = router
        self._sampling = sampling
        self._buffer = buffer
        self._workers = workers
        self._queue = queue
        self._eval_feeder = eval_feeder
        self._file = file
        self._random = source
        self._filled_for: str | None = None
        self._line = PromptLine(store.prompts, self.aside)
        self._fruitless = 0
        self._barren = False
        self._not_before = self._no_match_before = 0.0
        self._resting = False
        self._makers = Crew(self.loop.wake)
        self._eval_makers = Crew(self.loop.wake)

    def wake(self) -> None:
        """Check the buffer now, because a pair was taken or the champion changed."""
        self.loop.wake()

    async def run(self) -> None:
        """Fill the buffer until cancelled; after an error of the model it tries again."""
        try:
            await self.loop.run()
        finally:
            await asyncio.gather(self._makers.close(), self._eval_makers.close())

    async def _step(self) -> None:
        if not self._resting:
            await self._employ()

    async def fill(self, seconds: float) -> None:
        """Wait until the buffer is full, no pair can be made, or the given seconds have passed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.loop.last_error and await self._missing():
            self.wake()
            await asyncio.sleep(_PAUSE_SECONDS)

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """Make no pairs ahead within the block, only on demand."""
        self._resting = True
        try:
            await self._makers.idle()  # let the pairs in progress finish
            await self._eval_makers.idle()
            yield
        finally:
            self._resting = False
            self.wake()

    async def drafts(self, prompt: Prompt | None = None) -> AsyncGenerator[Draft, None]:
        """Make one pair now, yielding its progress; the last item has the stored pair.

        prompt: the one to answer; None: the next. Ends without a pair when the prompt gave none; if others give none
        either, `loop.last_error` says why. Raises PromptError for a given prompt that the model can never be asked.
        """
        wanted = prompt is not None
        if prompt is None:
            prompt = await self._line.next()
        else:
            self._line.reserve(prompt)
        if prompt is None:
            self.loop.last_error = self._explain()
            return
        async with aclosing(self._answered(prompt)) as drafts:
            try:
                async for draft in drafts:
                    yield draft
            except PromptError:
                if wanted:
                    raise

    async def _employ(self) -> None:
        """Start makers of training pairs and of evaluation pairs as needed."""
        try:
            await self._employ_makers()
        except Exception as error:  # must not end the loop, as nobody else makes pairs
            self._hold(error)
        if not (self._eval_makers or self._resting or time.monotonic() < self._no_match_before):
            self._eval_makers.start(self._match())

    async def _employ_makers(self) -> None:
        """Start as many makers as pairs are missing, within the limits of workers and errors."""
        missing = await self._missing()
        if not missing:
            self.loop.last_error = None
        while self._may_start(missing):
            prompt = await self._line.next()
            if prompt is None:
                self.loop.last_error = self.loop.last_error if self._makers else self._explain()
                return
            if self._resting:  # changed while waiting for the prompt
                self._line.release(prompt)
                return
            self._makers.start(self._make(prompt))

    def _may_start(self, missing: int) -> bool:
        """Return whether one more maker may start; if none succeeds, only one at a time and with pauses."""
        room = 1 if self._barren else self._workers
        waits = self._resting or time.monotonic() < self._not_before
        return not waits and len(self._makers) < min(missing, room)

    async def _missing(self) -> int:
        champion = self._router.champion
        if champion != self._filled_for:
            await asyncio.to_thread(self._store.pairs.withdraw_except, champion)
            self._filled_for = champion
        self.ready = await asyncio.to_thread(self._store.pairs.ready, champion)
        return max(0, self._buffer - self.ready)

    async def _make(self, prompt: Prompt) -> None:
        """Make a pair for a reserved prompt."""
        try:
            async with aclosing(self._answered(prompt)) as drafts:
                async for _ in drafts:
                    pass
        except PromptError:
            pass  # the prompt has been set aside
        except Exception as error:
            self._hold(error)

    async def _match(self) -> None:
        """Make evaluation pairs, if some are missing."""
        self._no_match_before = time.monotonic() + _PAUSE_SECONDS
        try:
            if await self._eval_feeder.make():
                self._no_match_before = 0.0
        except Exception as error:
            self._hold(error)

    def _hold(self, error: Exception) -> None:
        self.loop.failed(error)
        self._not_before = time.monotonic() + _PAUSE_SECONDS

    async def _answered(self, prompt: Prompt) -> AsyncGenerator[Draft, None]:
        """Yield drafts of a pair for a reserved prompt, and release the prompt at the end.

        Raises PromptError for one that the model can never be asked, after setting it aside.
        """
        try:
            async with aclosing(self._attempts(prompt)) as attempts:
                async for draft in attempts:
                    yield draft
        except PromptError as error:
            self.aside.add(prompt, error.reason)
            raise
        finally:
            self._line.release(prompt)

    async def _attempts(self, prompt: Prompt) -> AsyncGenerator[Draft, None]:
        """Try a few times to get a pair without a flaw; a prompt that gives none goes to the end of the line."""
        for _ in range(_ATTEMPTS):
            async with self._router.lease() as version:
                seeds = (self._random.randrange(_SEEDS), self._random.randrange(_SEEDS))
                job = SamplingJob(prompt.messages, version, seeds, self._sampling)
                completions: tuple[NewCompletion, ...] = ()
                async with aclosing(self._engine.stream(job)) as stream:
                    async for answers in stream:
                        completions = answers.completions or ()
                        yield Draft(prompt, (answers.texts[0], answers.texts[1]), None, answers.thoughts)
                a, b = completions
                found = flaw(a, b)
                self.tries.note(found)
                if found is None:
                    pair = await self._keep(prompt, a, b)
                    self._bears()
                    yield Draft(prompt, (a.text, b.text), pair)
                    return
        await self._gave_none(prompt)

    async def _gave_none(self, prompt: Prompt) -> None:
        """Move the prompt to the end of the line; if no prompt gives a pair, report that and try less often."""
        await self._line.to_the_end(prompt)
        self._fruitless += 1
        beyond = self._fruitless - min(_FRUITLESS, await self._line.length())
        self._barren = beyond >= 0
        if self._barren:
            self.loop.last_error = self._explain()
            self._not_before = time.monotonic() + min(_LONGEST_PAUSE_SECONDS, _PAUSE_SECONDS * 2**beyond)

    def _bears(self) -> None:
        """Reset the error state, since a pair was made."""
        self._fruitless, self._barren, self._not_before, self.loop.last_error = 0, False, 0.0, None

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
        """Return the implicit reward margin of a over b against the base (nats); None if the strategy does not use it.

        Against the base, whatever reference the version was trained with, since the base is always available.
        """
        if self._queue.strategy is not StrategyName.UNCERTAINTY or a.version == BASE:
            return None
        rewards = [
            sum(one.logprobs) - sum(await self._engine.score(prompt.messages, one.token_ids, BASE)) for one in (a, b)
        ]
        return rewards[0] - rewards[1]

    def _explain(self) -> str:
        """Explain why no pair could be made."""
        if self._barren:
            last = self.tries.in_a_row
            counts = ", ".join(f"{count} gave {why}" for why, count in last.most_common())
            return self._file.located(
                f"No pair could be made: of the last {last.total()} tries {counts}. Raise temperature in [sampling], "
                "or bring other prompts."
            )
        if self.aside.ids:
            return f"No pair could be made. Prompts set aside: {self.aside}. Bring other prompts."
        return _NO_PROMPTS
