"""A crowd at the door: everybody else is answered, and who finds the queue full is told when to come again."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from app.people.accounts import Accounts
from app.people.hashing_queue import MOST_WAITING, HashingQueue
from app.services import Services
from app.web.server import create_rest_app
from data.errors import BusyError
from data.records import Role
from tests.app.pages_stage import client, stage

PASSWORD = "correct horse"
CROWD = 60  # more than there are threads for all requests together


class HeldHasher(PasswordHasher):
    """Hashes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__(1, 8, 1)
        self.began, self.let_go = threading.Event(), threading.Event()
        self.held = False

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        if self.held:
            self.began.set()
            self.let_go.wait()
        return super().verify(hash, password)


@pytest.fixture
def hasher() -> HeldHasher:
    return HeldHasher()


@pytest.fixture
async def services(tmp_path: Path, hasher: HeldHasher) -> AsyncIterator[Services]:
    async with stage(tmp_path, buffer=0, prompts=1) as services:
        yield replace(services, accounts=Accounts(services.store, hasher=hasher))


@pytest.fixture
async def app(services: Services) -> FastAPI:
    return create_rest_app(services)


@pytest.fixture
async def crowd(app: FastAPI, hasher: HeldHasher) -> AsyncIterator[list[asyncio.Task[Response]]]:
    """Strangers who all sign in, one of whom is being looked at."""
    hasher.held = True
    strangers = [AsyncClient(transport=ASGITransport(app, client=(f"h{n}", 1))) for n in range(CROWD)]
    tasks = [
        asyncio.create_task(
            stranger.post("http://loop.test/auth/login", json={"login": f"junk {n}", "password": "wrong horse"})
        )
        for n, stranger in enumerate(strangers)
    ]
    await asyncio.to_thread(hasher.began.wait)
    yield tasks
    hasher.let_go.set()
    await asyncio.gather(*tasks)


async def test_others_are_answered_while_a_crowd_signs_in(app: FastAPI, services: Services, crowd: object) -> None:
    annotator, admin = client(app, services, Role.ANNOTATOR), client(app, services, Role.ADMIN)
    async with asyncio.timeout(30):
        for asking, path in ((annotator, "stats"), (annotator, "account"), (admin, "people")):
            assert (await asking.get(f"/api/v1/{path}")).status_code == 200


async def test_who_finds_the_queue_full_is_told_when_to_come_again(crowd: list[asyncio.Task[Response]]) -> None:
    async with asyncio.timeout(30):
        while (waiting := [task for task in crowd if not task.done()])[MOST_WAITING:]:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    refused = [task.result() for task in crowd if task.done()]
    assert {answer.status_code for answer in refused} == {429}
    waits = [int(answer.headers["retry-after"]) for answer in refused]
    assert (min(waits) >= 3, max(waits) <= 12, len(set(waits)) > 1) == (True, True, True)
    assert refused[0].json()["detail"] == f"Too many people sign in right now. Try again in {waits[0]} seconds."


async def test_programs_are_told_the_same(app: FastAPI, crowd: object) -> None:
    credentials = {"login": "junk", "password": PASSWORD}
    async with asyncio.timeout(30):
        while (answer := await _session(app, credentials)).status_code != 429:
            await asyncio.sleep(0)
    assert 3 <= int(answer.headers["retry-after"]) <= 12


async def test_who_found_the_queue_full_has_not_failed(services: Services, app: FastAPI, hasher: HeldHasher) -> None:
    services.accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    full = [asyncio.create_task(services.accounts._strangers.run(hasher.let_go.wait)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)  # each has taken its place
    for _ in range(9):
        assert (await _session(app, {"login": "ann", "password": PASSWORD})).status_code == 429
    hasher.let_go.set()
    await asyncio.gather(*full)
    assert (await _session(app, {"login": "ann", "password": PASSWORD})).status_code == 200


async def test_a_crowd_at_the_door_keeps_nobody_in_from_a_new_password(
    app: FastAPI, services: Services, hasher: HeldHasher, crowd: object
) -> None:
    person = client(app, services, Role.ANNOTATOR)
    async with asyncio.timeout(30):
        assert (await person.post("/api/v1/account/password", json={"new": PASSWORD})).status_code == 204


async def test_a_place_is_free_again_only_when_the_work_is_over() -> None:
    queue, let_go, began = HashingQueue(most_waiting=1), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        let_go.wait()

    gone = asyncio.create_task(queue.run(work))
    await asyncio.to_thread(began.wait)
    gone.cancel()
    await asyncio.wait([gone])
    with pytest.raises(BusyError):
        await queue.run(work)
    let_go.set()
    while True:
        try:
            assert await queue.run(lambda: "done") == "done"
            return
        except BusyError:
            await asyncio.sleep(0)


async def _session(app: FastAPI, credentials: dict[str, str]) -> Response:
    program = AsyncClient(transport=ASGITransport(app, client=("program", 1)), base_url="http://loop.test")
    return await program.post("/api/v1/session", json=credentials)
