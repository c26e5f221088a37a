"""The API in the hands of one admin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from httpx import AsyncClient

from app.services import Services
from app.web.server import create_rest_app
from data.records import Role
from tests.app.pages_stage import client, stage


class AdminApi:
    """Asks; what is refused raises an assertion, unless its status is what was wanted."""

    def __init__(self, services: Services, browser: AsyncClient) -> None:
        self.services = services
        self.store = services.store
        self.browser = browser

    async def get(self, path: str) -> Any:
        answer = await self.browser.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: object = None, *, status: int = 201) -> Any:
        answer = await self.browser.post(f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def acts(self) -> list[tuple[str, dict[str, Any]]]:
        """What the audit keeps, newest first."""
        return [(act["action"], act["detail"]) for act in await self.get("/audit")]


@asynccontextmanager
async def admin_api(home: Path, role: Role = Role.ADMIN) -> AsyncIterator[AdminApi]:
    """The application without pages or a feeder."""
    async with stage(home, buffer=0, prompts=60) as services:
        yield AdminApi(services, client(create_rest_app(services), services, role))
