"""The in-process engine: one thread that owns the model, with a queue of work.

Everything that touches the model (decoding, loading, unloading) happens on that thread between two decode steps, so no
answer ever mixes versions. Jobs join the running batch as soon as there is room.
"""

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from app.serving.engine import BASE, Answers, SamplingJob
from app.settings_file import HERE, TOP, SettingsFile
from data.errors import AdapterError, ConflictError, ModelError, PrefloopError
from data.records import Message, NewCompletion
from trainer.evaluation.canary import canary_prompt
from trainer.interface.manifest import Canary
from trainer.model.adapter import read_adapter
from trainer.model.base import Base
from trainer.preflight.model_check import Trained, check_sampling, new_sampler
from trainer.prompting.reasoning import Answer
from trainer.sampling.sampler import Request, SampledRow

_T = TypeVar("_T")
_FLUSH_SECONDS = 0.12
_IDLE_SECONDS = 0.5
_PARKED = "The model makes room for training and answers again when that has ended. Pairs that lie ready can be judged."


class _Ticket:
    """A job on its way through the engine thread, with a queue of updates for the coroutine that waits for it."""

    def __init__(self, job: SamplingJob, prompt_ids: tuple[int, ...]) -> None:
        self.job = job
        self.prompt_ids = prompt_ids
        self.rows: list[SampledRow] = []
        self.given_up = False
        self._loop = asyncio.get_running_loop()
        self._mail: asyncio.Queue[Answers | Exception] = asyncio.Queue()
        self._told = 0.0

    @property
    def requests(self) -> list[Request]:
        """One sampler request per seed."""
        adapter = None if self.job.version == BASE else self.job.version
        return [Request(self.prompt_ids, adapter, seed, self.job.sampling) for seed in self.job.seeds]

    @property
    def done(self) -> bool:
        """Whether every answer has ended."""
        return bool(self.rows) and all(row.finish_reason for row in self.rows)

    def due(self) -> bool:
        """Return whether enough time has passed for another update."""
        return time.monotonic() - self._told >= _FLUSH_SECONDS

    def tell(self, what: Answers | Exception) -> None:
        """Send an update from the engine thread; dropped if the receiving event loop is closed."""
        self._told = time.monotonic()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._mail.put_nowait, what)

    async def news(self) -> Answers:
        """Return the next update. Raises what the engine thread reported."""
        what = await self._mail.get()
        if isinstance(what, Exception):
            raise what
        return what


class InProcessEngine:
    """Engine over a Sampler. Implements app.serving.engine.Engine."""

    def __init__(
        self,
        base: Base,
        *,
        max_rows: int = 8,
        max_adapters: int = 4,
        max_rank: int = 16,
        file: SettingsFile = HERE,
    ) -> None:
        self.base = base
        self._file = file
        self._sampler = new_sampler(base, rows=max_rows, max_adapters=max_adapters, max_rank=max_rank)
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting: deque[_Ticket] = deque()
        self._running: list[_Ticket] = []
        self._offloaded = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="generation", daemon=True)
        self._thread.start()

    @property
    def way(self) -> str:
        """See Engine.way."""
        return self._sampler.way

    async def stream(self, job: SamplingJob) -> AsyncGenerator[Answers, None]:
        """See Engine.stream."""
        self._assert_here()
        prompt_ids = self.base.prompt_ids(job.messages)
        if len(job.seeds) > self._sampler.max_rows:
            words = f"{len(job.seeds)} answers at once are more than {self._sampler.max_rows}; raise max_rows {TOP}"
            raise ModelError(self._file.located(words))
        ticket = _Ticket(job, prompt_ids)
        self._post(lambda: self._waiting.append(ticket))
        try:
            while True:
                answers = await ticket.news()
                yield answers
                if answers.completions is not None:
                    return
        finally:
            ticket.given_up = True

    async def check(self, trained: Trained) -> None:
        """Check that an adapter of this model can be served. Raises ModelError when it cannot."""
        await self._call(lambda: check_sampling(self._sampler, trained))

    async def load(self, version: str, path: Path) -> None:
        """See Engine.load."""
        self._assert_here()
        max_rank = self._sampler.max_rank
        with self._file.locating():
            adapter = await asyncio.to_thread(read_adapter, path, self.base.model, max_rank=max_rank)
            await self._call(lambda: self._sampler.load(version, adapter))

    async def unload(self, version: str) -> None:
        """See Engine.unload."""
        await self._call(lambda: self._unload(version))

    async def score(self, messages: Sequence[Message], token_ids: Sequence[int], version: str) -> tuple[float, ...]:
        """See Engine.score."""
        return await self._score(self.base.prompt_ids(messages, room=len(token_ids)), token_ids, version)

    async def score_canary(self, canary: Canary, version: str) -> tuple[float, ...]:
        """See Engine.score_canary."""
        return await self._score(canary_prompt(canary, self.base), canary.token_ids, version)

    async def _score(self, prompt_ids: tuple[int, ...], token_ids: Sequence[int], version: str) -> tuple[float, ...]:
        self._assert_here()
        adapter = None if version == BASE else version
        return await self._call(lambda: self._sampler.score(prompt_ids, tuple(token_ids), adapter))

    async def offload(self) -> None:
        """See Engine.offload."""
        self._offloaded = True
        try:
            await self._call(self._park)
        except BaseException:
            self._offloaded = False
            raise

    async def reload(self) -> None:
        """See Engine.reload."""
        await self._call(self._sampler.reload)
        self._offloaded = False

    def close(self) -> None:
        """See Engine.close."""
        if not self._closed.is_set():
            self._closed.set()
            self._inbox.put(None)
            self._thread.join()

    def _assert_here(self) -> None:
        if self._offloaded:
            raise ConflictError(_PARKED)

    def _park(self) -> None:
        while self._running or self._waiting:
            self._turn()
        self._sampler.offload()

    def _unload(self, version: str) -> None:
        self._drop_given_up()
        self._sampler.unload(version)

    def _post(self, work: Callable[[], None]) -> None:
        if self._closed.is_set():
            raise ModelError("the engine is closed")
        self._inbox.put(work)

    async def _call(self, work: Callable[[], _T]) -> _T:
        """Run work on the engine thread between two steps; ValueError and KeyError become AdapterError."""
        future: Future[_T] = Future()

        def carry_out() -> None:
            if not future.set_running_or_notify_cancel():
                return  # the caller was cancelled; once running, a future can no longer be cancelled
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)

        self._post(carry_out)
        try:
            return await asyncio.wrap_future(future)
        except (ValueError, KeyError) as error:
            raise AdapterError(str(error.args[0])) from error

    def _run(self) -> None:
        while not self._closed.is_set():
            self._take_work(block=not self._running and not self._waiting)
            self._turn()
        self._take_work(block=False)  # finish what was posted before, as nobody else would answer it
        self._fail(ModelError("the engine is closed"))

    def _turn(self) -> None:
        """Decode one token for every running answer."""
        try:
            self._drop_given_up()
            self._admit()
            self._sampler.step()
            self._report()
        except Exception as error:
            self._fail(ModelError(f"the model failed while it answered: {error!r}"))

    def _take_work(self, *, block: bool) -> None:
        """Run the posted work; block only when there is nothing else to do."""
        try:
            while (work := self._inbox.get(block=block, timeout=_IDLE_SECONDS)) is not None:
                work()
                block = False
        except queue.Empty:
            return

    def _drop_given_up(self) -> None:
        for ticket in self._running:
            if ticket.given_up:
                for row in ticket.rows:
                    self._sampler.leave(row)
        self._running = [ticket for ticket in self._running if not ticket.given_up]
        self._waiting = deque(ticket for ticket in self._waiting if not ticket.given_up)

    def _admit(self) -> None:
        """Let waiting jobs join in order, while there is room for all answers of the next one."""
        while self._waiting and len(self._waiting[0].job.seeds) <= self._sampler.free:
            ticket = self._waiting.popleft()
            if ticket.job.version not in (BASE, *self._sampler.adapters):
                ticket.tell(AdapterError(f"version {ticket.job.version} is not loaded"))
                continue
            self._running.append(ticket)  # before it joins, so that a failure there is reported to it too
            ticket.rows = self._sampler.join(ticket.requests)

    def _report(self) -> None:
        """Send updates to running jobs, from time to time and at their end."""
        for ticket in self._running:
            if ticket.done or ticket.due():
                ticket.tell(self._answers(ticket))
        self._running = [ticket for ticket in self._running if not ticket.done]

    def _answers(self, ticket: _Ticket) -> Answers:
        read = [
            self.base.read(row.token_ids, prompt_ids=ticket.prompt_ids, whole=row.finish_reason is not None)
            for row in ticket.rows
        ]
        texts = tuple(answer.text for answer in read)
        thoughts = tuple(answer.thought for answer in read)
        if not ticket.done:
            return Answers(texts, thoughts=thoughts)
        completions = tuple(_completion(ticket.job, row, answer) for row, answer in zip(ticket.rows, read, strict=True))
        return Answers(texts, completions, thoughts)

    def _fail(self, error: PrefloopError) -> None:
        """Fail every job with this error; later jobs start on an empty batch."""
        self._sampler.reset()
        for ticket in (*self._running, *self._waiting):
            ticket.tell(error)
        self._running = []
        self._waiting.clear()


def _completion(job: SamplingJob, row: SampledRow, answer: Answer) -> NewCompletion:
    if row.finish_reason is None:
        raise RuntimeError("a row that has not ended is no completion")
    return NewCompletion(
        version=job.version,
        text=answer.text,
        token_ids=tuple(row.token_ids),
        logprobs=tuple(row.logprobs),
        finish_reason=row.finish_reason,
        sampling=replace(job.sampling, max_new_tokens=row.limit),
        seed=row.request.seed,
        reasoning=answer.reasoning,
        reasoning_tokens=answer.reasoning_tokens,
    )
