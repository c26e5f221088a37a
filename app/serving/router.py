"""The router: which version serves, who uses which, and how one replaces another.

A request leases a version once, so both answers of a pair come from it. A swap verifies and loads the new version, runs
the canary, moves the champion pointer, records it, and unloads the old version once its leases have ended: no request
waits for a swap, none is lost, none mixes versions.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.serving.adapter_store import AdapterStore
from app.serving.engine import BASE, Engine
from data.errors import AdapterError
from data.records import AdapterVersion, ServingAction
from data.versions.versions import Versions
from trainer.evaluation.canary import verify


class Router:
    """Owns the champion pointer of one engine."""

    def __init__(self, engine: Engine, adapter_store: AdapterStore, versions: Versions) -> None:
        self.champion = BASE
        self._engine = engine
        self._adapter_store = adapter_store
        self._versions = versions
        self._users: Counter[str] = Counter()
        self._loaded = {BASE}
        self._moves = asyncio.Lock()

    async def start(self) -> None:
        """Serve the champion recorded in the store.

        Raises AdapterError when that fails: another version is never served in its place.
        """
        champion = await asyncio.to_thread(self._versions.champion)
        if champion is None:
            await asyncio.to_thread(self._record_first)
            return
        async with self._moves:
            await self._ensure(champion)
        self.champion = champion.name

    @asynccontextmanager
    async def lease(self, name: str | None = None) -> AsyncIterator[str]:
        """Lease a version (by default the champion) until the block ends; it stays loaded for that time.

        Raises NotFoundError for an unknown version, AdapterError when it cannot be loaded.
        """
        if name is not None and name not in self._loaded:
            async with self._moves:
                await self._ensure(await asyncio.to_thread(self._versions.by_name, name))
                self._users[name] += 1
        else:
            name = name or self.champion
            self._users[name] += 1
        try:
            yield name
        finally:
            self._users[name] -= 1
            await asyncio.shield(self._unload_idle())

    async def promote(self, name: str, record: Callable[[], object]) -> None:
        """Make a version the champion; the previous one is unloaded when no longer leased. record: stores the change.

        Raises NotFoundError for an unknown version, AdapterError with the reason when it fails verification, and what
        record raises; in each case the previous champion continues to serve.
        """
        version = await asyncio.to_thread(self._versions.by_name, name)
        async with self._moves:
            await self._ensure(version)
            before, self.champion = self.champion, name
            try:
                await asyncio.to_thread(record)
            except BaseException:
                self.champion = before
                raise
        await self._unload_idle()

    def _record_first(self) -> None:
        self._versions.record_serving(BASE, ServingAction.INSTALL, actor_id=None, reason="first start")

    async def _ensure(self, version: AdapterVersion) -> None:
        """Load a version and verify that it answers as the trained policy. Call with _moves held."""
        if version.name in self._loaded or version.sha256 is None:
            return
        path = await asyncio.to_thread(self._adapter_store.verify, version.name, version.sha256)
        await self._engine.load(version.name, path)
        try:
            await self._check_canary(version.name)
        except BaseException:
            await self._engine.unload(version.name)
            raise
        self._loaded.add(version.name)

    async def _check_canary(self, name: str) -> None:
        """Check that the served adapter is the trained one. Raises AdapterError."""
        canary = await asyncio.to_thread(self._adapter_store.canary, name)
        served, served_base = [await self._engine.score_canary(canary, version) for version in (name, BASE)]
        try:
            verify(canary, served=served, served_base=served_base)
        except AdapterError as error:
            raise AdapterError(f"adapter {name} is refused: {error}") from error

    async def _unload_idle(self) -> None:
        """Unload versions that are not leased and not the champion."""
        idle = [name for name in self._loaded if not self._users[name] and name not in (BASE, self.champion)]
        if not idle or self._moves.locked():
            return  # a move in progress ends with this same sweep, or the next lease does
        async with self._moves:
            for name in idle:
                if not self._users[name] and name != self.champion and name in self._loaded:
                    self._loaded.discard(name)
                    await self._engine.unload(name)
