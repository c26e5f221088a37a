"""The REST API of a home that no server runs on, in this process: a client like any other, without a network.

Has the routes that need the store alone; those that decide what serves load the model first. Who asks owns the home's
files and needs no account: the audit names nobody.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.annotation.quality_cache import QualityCache
from app.api.auth import HomeOwner
from app.api.errors import explain_errors
from app.api.store_routes import store_routes
from app.api.versions import build_moves_api
from app.background.jobs import Jobs
from app.client.client import Client
from app.client.opened_home import OpenedHome, opened_home
from app.datasets.export_files import ExportFiles
from app.datasets.uploads import Uploads
from app.home import Home
from app.people.accounts import Accounts
from app.serving.adapter_store import AdapterStore
from data.support.clock import now_ms

_PREFIX = "/api/v1"


@contextmanager
def in_process(home: Home, *, make: bool = False) -> Iterator[Client]:
    """The API of a home that exists, or is made. Raises HomeError when it does not exist, or a server has it.

    Links lead to where its server will listen.
    """
    with (
        opened_home(home, make=make) as opened,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(AsyncExitStack()) as closing,
    ):
        transport = _InProcess(portal, _Application(opened, closing))
        url = f"http://{opened.settings.host}:{opened.settings.port}"
        with Client(url, transport=transport, opened=opened) as client:
            yield client


class _Application:
    """The routes of an opened home, with its owner as the caller of each."""

    def __init__(self, opened: OpenedHome, closing: AsyncExitStack) -> None:
        self._opened = opened
        self._closing = closing
        self._decides = False
        self._app = FastAPI(openapi_url=None)
        explain_errors(self._app)
        for routes in _routes(opened):
            self._app.include_router(routes, prefix=_PREFIX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "POST" and scope["path"].startswith(f"{_PREFIX}/adapters/"):
            await self._add_moves()
        scope["state"] = {"annotator": HomeOwner(), "by_api_token": False}
        await self._app(scope, receive, send)

    async def _add_moves(self) -> None:
        """Load the model, once, and add the routes that decide what serves. Raises as open_services does."""
        from app.startup import open_services  # torch, which nothing else here needs

        if not self._decides:
            opened = self._opened
            services = await self._closing.enter_async_context(
                open_services(opened.home, opened.settings, opened.store, serve_champion=False)
            )
            self._app.include_router(build_moves_api(opened.store, services.registry), prefix=_PREFIX)
            self._decides = True


def _routes(opened: OpenedHome) -> list[APIRouter]:
    home, store, jobs = opened.home, opened.store, Jobs()
    return store_routes(
        store,
        accounts=Accounts(store),
        quality_cache=QualityCache(store, now_ms),
        adapter_store=AdapterStore(home.adapters),
        jobs=jobs,
        uploads=Uploads(store, jobs, home.imports, opened.settings.imports.limits),
        export_files=ExportFiles(store, jobs, home.exports),
        moved=lambda: None,
    )


class _InProcess(httpx.BaseTransport):
    """Asks an application on the event loop of a portal; every request and response is whole in memory."""

    def __init__(self, portal: BlockingPortal, app: ASGIApp) -> None:
        self._portal = portal
        self._transport = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The application's answer."""
        request.read()
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._transport.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())
