"""An act that finds somebody else's promotion under way."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest

from app.services import Services
from tests.app.until import until

Result = TypeVar("Result")


async def while_promoting(
    services: Services, patch: pytest.MonkeyPatch, name: str, act: Coroutine[object, object, Result]
) -> Result:
    """What comes of an act that begins while a version is promoted, and whose turn comes after that."""
    loads = asyncio.Event()

    async def slow(*_: object) -> None:
        await loads.wait()

    with patch.context() as patched:
        patched.setattr(services.engine, "load", slow)
        promoting = asyncio.create_task(services.registry.promote(name, reason="an admin knows"))
        acting = asyncio.create_task(act)
        await until(lambda: bool(services.registry._one_at_a_time._waiters) or acting.done())
        assert not acting.done(), "it did not wait for its turn"
        loads.set()
        await promoting
        return await acting
