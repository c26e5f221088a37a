"""What can be done with versions: promote, roll back, refuse, retire, hand out. Each act is decided and recorded here.

Knows nothing of who may, nor of how one comes to a decision.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.background.webhooks import Event, Publish
from app.serving.adapter_store import AdapterStore
from app.versions.comparison import version_before
from data.errors import ConflictError
from data.records import AdapterVersion, Decision, Ruling, ServingAction
from data.store import PreferenceStore
from data.versions.decisions import Numbers, assert_reason
from data.versions.standing import Serving, VersionStatus, servings, standings
from data.versions.versions import BASE

if TYPE_CHECKING:  # which versions there are must be told without torch
    from app.serving.router import Router

Premise = Callable[[], bool]
"""Whether what a decision rests on is still so: another may have been made since, and have moved what serves."""

_TOLD = {
    Ruling.PROMOTE: Event.VERSION_PROMOTED,
    Ruling.REFUSE: Event.VERSION_REFUSED,
    Ruling.ROLL_BACK: Event.VERSION_ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class AdapterView:
    """A version with all that became of it; decisions and servings are oldest first.

    old_format: it was trained in another prompt format than the one in force.
    """

    version: AdapterVersion
    standing: VersionStatus
    decisions: tuple[Decision, ...]
    servings: tuple[Serving, ...]
    old_format: bool = False


def adapter_views(store: PreferenceStore) -> list[AdapterView]:
    """Every version of a store, oldest first."""
    versions = store.versions.all()
    decisions = store.decisions.all()
    events = store.versions.serving_history()
    in_force = store.prompt_formats.in_force()
    stand, served = standings(versions, decisions, events), servings(events)
    return [
        AdapterView(
            version,
            stand[version.name],
            tuple(decision for decision in decisions if decision.version == version.name),
            tuple(serving for serving in served if serving.version == version.name),
            old_format=None not in (version.prompt_format, in_force) and version.prompt_format != in_force,
        )
        for version in versions
    ]


def adapter_files(store: PreferenceStore, shelf: AdapterStore, name: str) -> Path:
    """The directory of a version, in PEFT's format, verified.

    Raises NotFoundError for an unknown version, ConflictError for the base, AdapterError for damaged files.
    """
    version = store.versions.by_name(name)
    if version.sha256 is None:
        raise ConflictError("the base model has no adapter; choose a version that a round made")
    return shelf.verify(name, version.sha256)


class ModelRegistry:
    """The versions of a home, as those who answer for them handle them. moved: called when another one serves;
    publish: takes what was decided. One act at a time; a premise is looked at when its act's turn has come.
    """

    def __init__(
        self,
        store: PreferenceStore,
        router: "Router",
        shelf: AdapterStore,
        *,
        moved: Callable[[], None],
        publish: Publish,
    ) -> None:
        self._store = store
        self._router = router
        self._shelf = shelf
        self._moved = moved
        self._publish = publish
        self._one_at_a_time = asyncio.Lock()

    def all(self) -> list[AdapterView]:
        """Every version, oldest first."""
        return adapter_views(self._store)

    async def promote(
        self,
        name: str,
        *,
        reason: str,
        actor_id: int | None = None,
        numbers: Numbers | None = None,
        premise: Premise | None = None,
    ) -> None:
        """Let a version serve, an older one included: verified, loaded, proved by its canary, then swapped in.

        Raises InputError without a reason, NotFoundError for an unknown version, ConflictError for one that serves or
        is retired or if the premise does not hold, AdapterError with the reason when it is refused; then the one before
        goes on serving.
        """
        assert_reason(reason)
        async with self._one_at_a_time:
            await self._assert_holds(premise)
            standing = await self._standing(name)
            if standing is VersionStatus.SERVES:
                raise ConflictError("{version} serves already", version=name)
            if standing is VersionStatus.RETIRED:
                raise ConflictError("{version} is retired; promote another version", version=name)
            action = ServingAction.ROLLBACK if standing is VersionStatus.SERVED else ServingAction.PROMOTE
            record = partial(
                self._store.decisions.move,
                name,
                Ruling.PROMOTE,
                serves=name,
                action=action,
                reason=reason,
                numbers=numbers,
                actor_id=actor_id,
            )
            await self._swap(name, record)
            await self._tell_of(name, Ruling.PROMOTE, reason)

    async def roll_back(
        self,
        *,
        reason: str,
        actor_id: int | None = None,
        numbers: Numbers | None = None,
        premise: Premise | None = None,
    ) -> str:
        """Serve again what served before, and refuse what serves now; returns the version that serves then.

        Raises ConflictError when nothing served before or the premise does not hold, InputError and AdapterError as
        promote does.
        """
        assert_reason(reason)
        async with self._one_at_a_time:
            await self._assert_holds(premise)
            worse = await asyncio.to_thread(self._champion)
            better = await asyncio.to_thread(self._before, worse)
            record = partial(
                self._store.decisions.move,
                worse,
                Ruling.ROLL_BACK,
                serves=better,
                action=ServingAction.ROLLBACK,
                reason=reason,
                numbers=numbers,
                actor_id=actor_id,
            )
            await self._swap(better, record)
            await self._tell_of(worse, Ruling.ROLL_BACK, reason)
        return better

    async def put_on_trial(self, name: str, *, reason: str, actor_id: int | None = None) -> None:
        """Let annotators compare a version with the one that serves; one that was on trial before waits.

        Raises as rule does.
        """
        before = await asyncio.to_thread(self._store.decisions.tried)
        await self.rule(name, Ruling.TRY, reason=reason, actor_id=actor_id)
        if before is not None and before.version not in (name, self._router.champion):
            await self.rule(before.version, Ruling.WAIT, reason=f"{name} is on trial in its place")

    async def rule(
        self,
        name: str,
        ruling: Ruling,
        *,
        reason: str,
        actor_id: int | None = None,
        numbers: Numbers | None = None,
        premise: Premise | None = None,
    ) -> None:
        """Decide what needs no swap: that a version waits, is tried, is refused or is retired.

        Raises NotFoundError for an unknown version, ConflictError for one that serves, for the base, which is always
        there to go back to, and if the premise does not hold.
        """
        async with self._one_at_a_time:
            await self._assert_holds(premise)
            if await self._standing(name) is VersionStatus.SERVES:
                raise ConflictError("{version} serves; promote another version first", version=name)
            if name == BASE:
                raise ConflictError("the base model is always there to go back to; choose another version")
            add = self._store.decisions.add
            await asyncio.to_thread(add, name, ruling, reason=reason, numbers=numbers, actor_id=actor_id)
            await self._tell_of(name, ruling, reason)

    def files(self, name: str) -> Path:
        """The directory of a version, as adapter_files has it."""
        return adapter_files(self._store, self._shelf, name)

    async def _standing(self, name: str) -> VersionStatus:
        await asyncio.to_thread(self._store.versions.by_name, name)
        return {view.version.name: view.standing for view in await asyncio.to_thread(self.all)}[name]

    def _champion(self) -> str:
        """What serves by the record, with a server or without; the base before the first start."""
        champion = self._store.versions.champion()
        return BASE if champion is None else champion.name

    def _before(self, champion: str) -> str:
        found = version_before(self._store)
        if found is None:
            raise ConflictError("nothing served before {version}, so there is nothing to go back to", version=champion)
        return found

    async def _assert_holds(self, premise: Premise | None) -> None:
        """Raise ConflictError if a premise does not hold. Call with _one_at_a_time held: then it goes on to hold."""
        if premise is not None and not await asyncio.to_thread(premise):
            raise ConflictError("What was to be decided on has changed meanwhile; look again.")

    async def _swap(self, name: str, record: Callable[[], object]) -> None:
        """Let a version serve. record: writes the move and its decision, both or neither."""
        await self._router.promote(name, record)
        self._moved()

    async def _tell_of(self, name: str, ruling: Ruling, reason: str) -> None:
        if ruling in _TOLD:
            champion = await asyncio.to_thread(self._champion)
            await self._publish(_TOLD[ruling], {"version": name, "reason": reason, "champion": champion})
