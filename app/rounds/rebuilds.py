"""Rebuild versions without some annotators' judgments or some prompts: select their rounds and repeat them in order.

Each repeated round makes a new version, which is compared with the one it would replace, and waits for an admin.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.background.loop import in_words
from app.rounds.runner import RoundRunner
from data.errors import ConflictError, InputError, RoundRunsError
from data.records import Annotator, Round, Without
from data.store import PreferenceStore

_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to leave out, and the rounds to repeat, oldest first."""

    without: Without
    rounds: tuple[int, ...]


class Rebuilds:
    """Repeats rounds of a store in the background. A failure ends it and is kept in `last_error`."""

    def __init__(self, store: PreferenceStore, rounds: RoundRunner) -> None:
        self.last_error: str | None = None
        self._store = store
        self._rounds = rounds
        self._left: list[int] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def left(self) -> tuple[int, ...]:
        """The rounds still to be repeated, the running one first."""
        return tuple(self._left)

    def plan(self, annotators: Sequence[str], sources: Sequence[str]) -> Plan:
        """Plan to leave out annotators (by pseudonym) and prompts (by source).

        Rounds that started from a version to be rebuilt are included; rounds already rebuilt without exactly these are
        not. Raises InputError for an unknown name, or without any.
        """
        known = {pseudonym: number for number, pseudonym in self._store.people.pseudonyms().items()}
        there = {source.source for source in self._store.catalogue.sources()}
        if strange := {*annotators} - known.keys():
            raise InputError("There is no annotator {name}.", name=min(strange))
        if strange := {*sources} - there:
            raise InputError("There is no prompt from {name}.", name=min(strange))
        if not (annotators or sources):
            raise InputError("Name an annotator or a source of prompts to leave out.")
        without = Without(tuple(sorted({known[name] for name in annotators})), tuple(sorted({*sources})))
        done = self._store.rounds.rebuilt(without)
        return Plan(without, tuple(number for number in self._touched(without) if number not in done))

    async def start(self, plan: Plan, actor: Annotator | None) -> None:
        """Start to repeat the rounds of a plan in the background.

        Raises ConflictError when there is nothing to do, or a rebuild is running.
        """
        if self._left:
            raise ConflictError("Rounds are being rebuilt already; wait for that to end.")
        if not plan.rounds:
            raise ConflictError("No version rests on these judgments, so there is nothing to rebuild.")
        self.last_error = None
        self._left = list(plan.rounds)
        self._task = asyncio.create_task(self._carry_out(plan, actor), name="rebuilding")

    async def wait(self) -> None:
        """Wait until everything requested is rebuilt."""
        if self._task:
            await self._task

    async def close(self) -> None:
        """Cancel what has not started; a later request for the same continues where it stopped."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _carry_out(self, plan: Plan, actor: Annotator | None) -> None:
        try:
            while self._left:
                begun = await self._begin(self._left[0], plan.without, actor)
                await self._rounds.wait()
                ended = await asyncio.to_thread(self._store.rounds.by_id, begun.id)
                if not ended.state.made_version:
                    self.last_error = f"round {self._left[0]} could not be rebuilt: {ended.reason}"
                    return
                self._left.pop(0)
        except Exception as error:  # nobody awaits a background task
            self.last_error = in_words(error, during="rounds were rebuilt")
        finally:
            self._left = []

    async def _begin(self, round_id: int, without: Without, actor: Annotator | None) -> Round:
        """Start the repetition once no other round runs."""
        while True:
            if await asyncio.to_thread(self._store.rounds.unended) is None:
                with suppress(RoundRunsError):  # a queued round started first
                    return await self._rounds.rebuild(round_id, without, actor)
            await asyncio.sleep(_EVERY_SECONDS)

    def _touched(self, without: Without) -> list[int]:
        """Return the rounds that used such judgments, or started from a version of one that did; oldest first."""
        touched = set(self._store.rounds.touched(without))
        versions = self._store.versions.all()
        made = {version.name: version.round_id for version in versions}
        rebuilds = {entry.id for entry in self._store.rounds.all() if entry.rebuilds_id is not None}
        for version in versions:  # oldest first, so parents come before their children
            if version.parent is not None and made.get(version.parent) in touched and version.round_id is not None:
                touched.add(version.round_id)
        return sorted(touched - rebuilds)
