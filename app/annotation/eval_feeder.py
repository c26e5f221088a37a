"""Make evaluation pairs: one answer from each of the two versions being compared, to the same prompt.

Held-out prompts come first, since they are never trained on. The feeder calls it.
"""

import asyncio
import math
import random
from enum import StrEnum

from app.annotation.queue_settings import QueueSettings
from app.annotation.set_aside import SetAside
from app.background.loop import in_words
from app.serving.engine import Engine, SamplingJob, complete
from app.serving.router import Router
from app.settings_file import HERE, SettingsFile
from app.versions.comparison import Comparison, current_comparison
from data.errors import AdapterError, InputError, PromptError
from data.records import FinishReason, NewCompletion, Prompt, Purpose, Sampling, Split
from data.store import PreferenceStore

_SEEDS = 2**31
_AT_ONCE = 4
_MANY_ALIKE = 40
_NO_PROMPT = "there are no prompts to sample; bring some"
_ALL_ALIKE = "they give the same answers, again and again; raise temperature in [sampling], or decide without votes"


class Flaw(StrEnum):
    """Why a pair would teach nothing if trained on; it depends on chance, so another attempt may succeed."""

    EMPTY = "an empty answer"
    IDENTICAL = "two identical answers"


def flaw(a: NewCompletion, b: NewCompletion) -> Flaw | None:
    """Return what is wrong with a training pair, or None; an answer that was cut off is judged like any other.

    That includes an empty answer cut off while the model was reasoning: people should be able to judge it.
    """
    if any(not one.text and one.finish_reason is FinishReason.STOP for one in (a, b)):
        return Flaw.EMPTY
    return Flaw.IDENTICAL if alike(a, b) else None


def alike(a: NewCompletion, b: NewCompletion) -> bool:
    """Return whether two completions have the same words."""
    return a.text.split() == b.text.split()


class EvalFeeder:
    """Keeps evaluation pairs ready. queue: their share of what people get; buffer: pairs kept ready in total.

    A version is measured by everything it answers: empty or cut-off answers count, as its users would get them.
    aside: prompts that cannot be asked, found here or by others who make pairs.
    """

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
        file: SettingsFile = HERE,
    ) -> None:
        self.last_error: str | None = None
        self.aside = SetAside()
        self._store = store
        self._engine = engine
        self._router = router
        self._sampling = sampling
        self._queue = queue
        self._buffer = buffer
        self._random = source
        self._file = file
        self._comparison: Comparison | None = None
        self._tidied = False
        self._given_up = False
        self._alike = 0
        self._asked: set[int] = set()
        self._one_at_a_time = asyncio.Lock()

    async def make(self) -> bool:
        """Make evaluation pairs if some are missing; returns whether at least one was made.

        Errors are kept in `last_error`, and other work continues. The next call tries again, except for a version that
        cannot be served: then none are made until other versions are compared, or it is put in trial again.
        """
        found = await asyncio.to_thread(self._look)
        if found is None or self._given_up:
            return False
        missing = await asyncio.to_thread(self._missing, found)
        plays = (self._play(found) for _ in range(min(missing, _AT_ONCE)))
        made = await asyncio.gather(*plays, return_exceptions=True)
        failed = next((one for one in made if isinstance(one, Exception)), None)
        self._given_up = isinstance(failed, AdapterError)
        self.last_error = self._explain(failed, found)
        return True in made

    def _look(self) -> Comparison | None:
        """Return the current comparison; when it changed, withdraw the unjudged pairs of the previous one."""
        found = current_comparison(self._store)
        if found != self._comparison or not self._tidied:
            of = None if found is None else (found.serving, found.other)
            self._store.pairs.withdraw_evaluations_except(of)
            self._comparison, self._tidied = found, True
            self._given_up, self._alike, self.last_error = False, 0, None
        return found

    def _missing(self, found: Comparison) -> int:
        wanted = math.ceil((self._queue.trial if found.trial else self._queue.evaluation) * self._buffer)
        ready = self._store.pairs.ready(found.serving, purpose=Purpose.EVAL, against=found.other)
        return max(0, wanted - ready)

    async def _play(self, found: Comparison) -> bool:
        async with self._one_at_a_time:
            prompt = await asyncio.to_thread(self._next_prompt)
        if prompt is None:
            raise InputError(f"every prompt is set aside: {self.aside}; bring others" if self.aside.ids else _NO_PROMPT)
        async with self._router.lease() as champion, self._router.lease(found.other) as other:
            if champion != found.serving:  # it changed since _look
                return False
            try:
                answers = await asyncio.gather(self._answer(prompt, champion), self._answer(prompt, other))
            except PromptError as error:
                self.aside.add(prompt, error.reason)
                return False
        if alike(*answers):
            self._alike += 1
            return False
        self._alike = 0
        a, b = self._random.sample(answers, 2)
        await asyncio.to_thread(self._store.pairs.add_evaluation, prompt.id, a, b, champion=champion)
        return True

    async def _answer(self, prompt: Prompt, version: str) -> NewCompletion:
        seeds = (self._random.randrange(_SEEDS),)
        [completion] = await complete(self._engine, SamplingJob(prompt.messages, version, seeds, self._sampling))
        return completion

    def _next_prompt(self) -> Prompt | None:
        """Return a prompt not used before, while there are any; None if no prompt can be asked."""
        prompts = self._store.prompts

        def fresh() -> Prompt | None:
            seen = self._asked | self.aside.ids
            return prompts.next(seen, Split.HELDOUT) or prompts.next(seen)

        found = fresh()
        if found is None and self._asked:
            self._asked.clear()
            found = fresh()
        if found is not None:
            self._asked.add(found.id)
        return found

    def _explain(self, failed: Exception | None, found: Comparison) -> str | None:
        """Explain why no pairs are made; None if nothing is wrong."""
        if failed is None:
            return self._file.located(_ALL_ALIKE) if self._alike >= _MANY_ALIKE else None
        if isinstance(failed, AdapterError) and found.trial:
            return f"{failed}; decide on {found.other} yourself, or restore it and put it on trial again"
        return in_words(failed, during="a pair of two versions was made", before=self.last_error)
