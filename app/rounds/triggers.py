"""Starts rounds: by themselves when the settings say so, by hand, and those that waited for another to end.

One round at a time; one more may wait. Knows nothing of training, nor of how it is decided that one is due.
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

_EVERY_SECONDS = 5.0  # for the clock and the end of a round; a judgment wakes it
_REST_SECONDS = 1.0


def local_time() -> datetime:
    """Now, in this machine's zone."""
    return datetime.now(LOCAL)


class Triggers:
    """What starts the rounds of a store. now: tells the local time."""

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
        """Start a round, or let it wait for the one under way: None then.

        Raises ConflictError when one waits already, or as Rounds.start does.
        """
        async with self._one_at_a_time:
            if await asyncio.to_thread(self._store.rounds.unended) is None:
                return await self._begun(self._rounds.start(actor, algorithm=algorithm))
            name = algorithm.value if algorithm else None
            await asyncio.to_thread(self._store.requests.add, name, actor.id if actor else None)
            return None

    async def withdraw(self) -> bool:
        """Forget the round that waits; whether one did. One that is being started waits no longer, unless it cannot."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._store.requests.take) is not None

    async def _step(self) -> None:
        await self.start_due()

    async def start_due(self) -> Round | None:
        """Start the round that waits, or the one that is due; None if there is neither, or another round runs.

        Raises as Rounds.start does otherwise; a request that cannot be met is forgotten.
        """
        async with self._one_at_a_time:
            if await asyncio.to_thread(self._store.rounds.unended) is not None:
                return None
            with suppress(RoundRunsError):  # a rebuild began first; what waits goes on waiting
                if (request := await asyncio.to_thread(self._store.requests.waiting)) is not None:
                    return await self._begun(self._met(request))
                if isinstance(found := await asyncio.to_thread(self.outlook), Due):
                    return await self._begun(self._rounds.start(None, cause=found.by))
            return None

    async def _met(self, request: RoundRequest) -> Round:
        """The round that waited; as it begins, it waits no longer."""
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
        """The round that starts; why none could before is forgotten."""
        started = await starting
        self.loop.last_error = None
        return started

    def outlook(self) -> Due | NotDue:
        """Whether a round is to start by itself, and what it waits for."""
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
        return due(now, self._settings, replace(standing, pairs=self.outline().train))  # dear, and seldom asked for

    def _on_trial(self) -> str | None:
        tried, champion = self._store.decisions.tried(), self._store.versions.champion()
        return None if tried is None or (champion and champion.name == tried.version) else tried.version

    @property
    def rules(self) -> dict[str, float | bool]:
        """Which pairs a round takes, and what it bars."""
        return asdict(self._settings.selection) | {TOO_FAST: self._settings.too_fast}

    def outline(self) -> Outline:
        """What a round would use now; made anew only when something that it depends on has changed."""
        state = self._store.rounds.dependencies()
        if self._outline is None or self._outline[0] != state:
            self._outline = state, self._store.rounds.outline(self._settings.selection)
        return self._outline[1]
