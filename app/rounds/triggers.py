"""Start rounds: automatically when the settings say so, on request, and from the queue when another has ended.

One round runs at a time, and at most one more is queued.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime

from app.background.loop import Loop
from app.rounds.algorithms import Algorithm
from app.rounds.local_zone import LOCAL
from app.rounds.runner import RoundRunner
from app.rounds.schedule import Due, NotDue, RoundSettings, ScheduleInputs, due
from data.errors import RoundRunsError
from data.records import Annotator, Outline, Round, RoundRequest
from data.rounds.counterfactual import TOO_FAST
from data.rounds.waiting import AFTER_WAITING
from data.store import PreferenceStore

_EVERY_SECONDS = 5.0  # to notice the time and the end of a round; a judgment wakes it earlier
_REST_SECONDS = 1.0


def local_time() -> datetime:
    """Return the current time in this machine's zone."""
    return datetime.now(LOCAL)


class Triggers:
    """Starts the rounds of a store. now: returns the local time."""

    def __init__(
        self,
        store: PreferenceStore,
        rounds: RoundRunner,
        settings: RoundSettings,
        *,
        now: Callable[[], datetime] = local_time,
    ) -> None:
        self.loop = Loop("starting rounds", self._step, every=_EVERY_SECONDS, rest=_REST_SECONDS)
        self._store = store
        self._rounds = rounds
        self._settings = settings
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        self._outline: tuple[object, Outline] | None = None

    async def ask(self, actor: Annotator | None, algorithm: Algorithm | None = None) -> Round | None:
        """Start a round; while another one runs, queue it and return None.

        Raises ConflictError when one is queued already, or as RoundRunner.start does.
        """
        async with self._one_at_a_time:
            if await asyncio.to_thread(self._store.rounds.unended) is None:
                return await self._begun(self._rounds.start(actor, algorithm=algorithm))
            name = algorithm.value if algorithm else None
            await asyncio.to_thread(self._store.requests.add, name, actor.id if actor else None)
            return None

    async def withdraw(self) -> bool:
        """Remove the queued round; returns whether there was one. A round being started has left the queue already."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._store.requests.take) is not None

    async def _step(self) -> None:
        await self.start_due()

    async def start_due(self) -> Round | None:
        """Start the queued round, or one that is due; None if there is neither, or another round runs.

        Otherwise raises as RoundRunner.start does; a queued request that fails is removed.
        """
        async with self._one_at_a_time:
            if await asyncio.to_thread(self._store.rounds.unended) is not None:
                return None
            with suppress(RoundRunsError):  # a rebuild started first; the queue stays as it is
                if (request := await asyncio.to_thread(self._store.requests.waiting)) is not None:
                    return await self._begun(self._met(request))
                if isinstance(found := await asyncio.to_thread(self.outlook), Due):
                    return await self._begun(self._rounds.start(None, cause=found.by))
            return None

    async def _met(self, request: RoundRequest) -> Round:
        """Start the queued round, which removes it from the queue."""
        try:
            asked_by = None if request.asked_by is None else self._store.people.by_id(request.asked_by)
            algorithm = None if request.algorithm is None else Algorithm(request.algorithm)
            return await self._rounds.start(asked_by, algorithm=algorithm, cause=AFTER_WAITING, waited=True)
        except RoundRunsError:
            raise
        except Exception:
            await asyncio.to_thread(self._store.requests.take)
            raise

    async def _begun(self, starting: Awaitable[Round]) -> Round:
        """Await a round's start, and clear the last error."""
        started = await starting
        self.loop.last_error = None
        return started

    def outlook(self) -> Due | NotDue:
        """Return whether a round is due, or what it waits for."""
        now = self._now()
        if not self._settings.automatic:
            return due(now, self._settings, ScheduleInputs(0, 0, now, running=False))
        newest = next((entry for entry in self._store.rounds.all() if entry.rebuilds_id is None), None)
        last = newest.created_at if newest else self._store.versions.serving_history()[0].created_at
        standing = ScheduleInputs(
            pairs=self._settings.least_pairs,
            judged=self._store.judgments.decisive_since(newest.newest_judgment if newest else 0),
            last=datetime.fromtimestamp(last / 1000, now.tzinfo),
            running=self._store.rounds.unended() is not None,
            on_trial=self._on_trial(),
        )
        found = due(now, self._settings, standing)
        if isinstance(found, NotDue):
            return found
        return due(now, self._settings, replace(standing, pairs=self.outline().train))  # expensive, and rarely needed

    def _on_trial(self) -> str | None:
        tried, champion = self._store.decisions.tried(), self._store.versions.champion()
        return None if tried is None or (champion and champion.name == tried.version) else tried.version

    @property
    def rules(self) -> dict[str, float | bool]:
        """The rules for which pairs a round uses, and which it excludes."""
        return asdict(self._settings.selection) | {TOO_FAST: self._settings.too_fast}

    def outline(self) -> Outline:
        """Return what a round would use now; recomputed only when something it depends on has changed."""
        state = self._store.rounds.dependencies()
        if self._outline is None or self._outline[0] != state:
            self._outline = state, self._store.rounds.outline(self._settings.selection)
        return self._outline[1]
