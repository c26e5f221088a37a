"""Somebody at the command line of a home, with the canned application behind it or nothing."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from app.cli import main as cli
from app.home import Home, ServerCard
from app.people.accounts import Accounts
from app.services import Services
from app.web.listening import listening
from app.web.server import create_rest_app
from data.activity.audit import AuditEntry
from data.records import Role
from data.store import PreferenceStore
from tests.app.pages_stage import stage

PASSWORD = ("--password", "correct horse")


@dataclass
class Owner:
    """Runs commands on a home. services: of its server, None if it has none. group: said before each command."""

    home: Path
    services: Services | None
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    group: tuple[str, ...] = ()

    async def run(self, *arguments: object) -> tuple[int, str]:
        """Exit status and output of `prefloop GROUP ARGUMENTS`: stdout if it went well, else stderr."""
        words = [*self.group, *map(str, arguments)]
        self.monkeypatch.setattr(sys, "argv", ["prefloop", *words, "--home", str(self.home)])
        status = await asyncio.to_thread(self._main)
        said = self.capsys.readouterr()
        return status, (said.err if status else said.out).strip()

    async def did(self, *arguments: object) -> str:
        """The output of a command that goes well."""
        status, said = await self.run(*arguments)
        assert status == 0, said
        return said

    async def read(self, *arguments: object) -> Any:
        """What a command that goes well answers with --json."""
        return json.loads(await self.did(*arguments, "--json"))

    @property
    def store(self) -> PreferenceStore:
        """That of the server."""
        assert self.services is not None
        return self.services.store

    @contextmanager
    def accounts(self) -> Iterator[Accounts]:
        """What came of it."""
        if self.services is not None:
            yield self.services.accounts
        else:
            with PreferenceStore.open(self.home / "prefloop.db") as store:
                yield Accounts(store)

    def acts(self) -> list[AuditEntry]:
        """What was kept of it, oldest first."""
        if self.services is not None:
            return self.store.audit.newest(99)[::-1]
        with PreferenceStore.open(self.home / "prefloop.db") as store:
            return store.audit.newest(99)[::-1]

    def _main(self) -> int:
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0


@asynccontextmanager
async def served(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    prompts: int = 1,
    trainer: tuple[str, ...] = ("false",),
) -> AsyncIterator[Owner]:
    """The owner of a home that the canned application serves; its admin is "boss"."""
    async with stage(home, buffer=0, prompts=prompts, trainer=trainer) as services:
        boss = services.accounts.add("boss", Role.ADMIN, PASSWORD[1])
        with listening("127.0.0.1", 0) as at:
            server = uvicorn.Server(uvicorn.Config(create_rest_app(services), log_level="warning"))
            serving = asyncio.create_task(server.serve(sockets=[*at.sockets]))
            Home(home).publish(ServerCard(at.url, services.accounts.grant(boss.id)))
            yield Owner(home, services, monkeypatch, capsys)
            server.should_exit = True
            await serving
