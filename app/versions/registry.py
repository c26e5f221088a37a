"""Acts on versions: promote, roll back, reject, retire, hand out. Each is checked and recorded here.

Called by the API, by trials and by the promotion policy; permissions are checked by the API.
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

if TYPE_CHECKING:  # listing versions must work without torch
    from app.serving.router import Router

Premise = Callable[[], bool]
"""Whether a decision's basis still holds: another decision since then may have changed what serves."""

_TOLD = {
    Ruling.PROMOTE: Event.VERSION_PROMOTED,
    Ruling.REFUSE: Event.VERSION_REFUSED,
    Ruling.ROLL_BACK: Event.VERSION_ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class AdapterView:
    """A version with its history; decisions and servings are oldest first.

    old_format: whether it was trained in another prompt format than the current one.
    """

    version: AdapterVersion
    standing: VersionStatus
    decisions: tuple[Decision, ...]
    servings: tuple[Serving, ...]
    old_format: bool = False


def adapter_views(store: PreferenceStore) -> list[AdapterView]:
    """Return every version of a store, oldest first."""
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


def adapter_files(store: PreferenceStore, adapter_store: AdapterStore, name: str) -> Path:
    """Return a version's verified directory in PEFT's format.

    Raises NotFoundError for an unknown version, ConflictError for the base, AdapterError for damaged files.
    """
    version = store.versions.by_name(name)
    if version.sha256 is None:
        raise ConflictError("the base model has no adapter; choose a version that a round made")
    return adapter_store.verify(name, version.sha256)


class ModelRegistry:
    """Acts on the versions of a home, one at a time. moved: called when another version serves; publish: receives
    decisions. A premise is checked when the act's turn has come.
    """

    def __init__(
        self,
        store: PreferenceStore,
        router: "Router",
        *,
        moved: Callable[[], None],
        publish: Publish,
    ) -> None:
        self._store = store
        self._router = router
        self._moved = moved
        self._publish = publish
        self._one_at_a_time = asyncio.Lock()

    def all(self) -> list[AdapterView]:
        """Return every version, oldest first."""
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
        """Make a version the champion, an older one included: verify, load, check the canary, then swap it in.

        Raises InputError without a reason; NotFoundError for an unknown version; ConflictError for one that serves
        already or is retired, or if the premise does not hold; AdapterError with the reason when it fails verification;
        the previous champion then continues to serve.
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
        """Serve the previous version again, and mark the current one rejected; returns the version that then serves.

        Raises ConflictError when there is no previous version or the premise does not hold, InputError and AdapterError
        as promote does.
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
        """Let annotators compare a version with the champion; a version that was in trial before waits.

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
        """Decide something that needs no swap: that a version waits, is in trial, is rejected or is retired.

        Raises NotFoundError for an unknown version; ConflictError for one that serves, for the base, which must stay
        available for rollbacks, and if the premise does not hold.
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

    async def _standing(self, name: str) -> VersionStatus:
        await asyncio.to_thread(self._store.versions.by_name, name)
        return {view.version.name: view.standing for view in await asyncio.to_thread(self.all)}[name]

    def _champion(self) -> str:
        """Return the version recorded as serving, also without a server; the base before the first start."""
        champion = self._store.versions.champion()
        return BASE if champion is None else champion.name

    def _before(self, champion: str) -> str:
        found = version_before(self._store)
        if found is None:
            raise ConflictError("nothing served before {version}, so there is nothing to go back to", version=champion)
        return found

    async def _assert_holds(self, premise: Premise | None) -> None:
        """Raise ConflictError if a premise does not hold. Call with _one_at_a_time held, so that it stays true."""
        if premise is not None and not await asyncio.to_thread(premise):
            raise ConflictError("This has changed in the meantime; look at it again.")

    async def _swap(self, name: str, record: Callable[[], object]) -> None:
        """Make a version serve. record: stores the change and its decision in one transaction."""
        await self._router.promote(name, record)
        self._moved()

    async def _tell_of(self, name: str, ruling: Ruling, reason: str) -> None:
        if ruling in _TOLD:
            champion = await asyncio.to_thread(self._champion)
            await self._publish(_TOLD[ruling], {"version": name, "reason": reason, "champion": champion})
