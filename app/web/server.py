"""The web application and its server: pages, API and gate on one port, on one event loop.

Knows nothing of what pages and routes do.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from app.api.errors import explain_errors
from app.api.router import build_api
from app.home import Home, ServerCard
from app.models.license import say_license
from app.pages.mount import mount_pages
from app.services import Services
from app.settings.open_store import open_store
from app.settings.settings import Settings
from app.startup import open_services, running
from app.web.listening import Listening
from app.web.sign_in_routes import add_security
from app.web.timed_connection import TimedConnection
from data.records import Annotator, Role

_IN_THE_OPEN = (
    "Warning: other machines can reach {host}, and what they send is not encrypted, passwords among it. Give "
    "--tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy that does TLS."
)
_GRACE_SECONDS = 3
_IDLE_SECONDS = 75
"""Longer than people think over a pair: else the connection may close just when they click."""


def create_app(services: Services) -> FastAPI:
    """The whole web application."""
    app = create_rest_app(services)
    mount_pages(app, services)
    return app


def create_rest_app(services: Services) -> FastAPI:
    """The same for programs alone, without pages."""
    app = FastAPI(title="prefloop", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    app.include_router(build_api(services))
    app.add_api_route("/", _home, include_in_schema=False)
    app.add_api_route("/healthz", _health, include_in_schema=False)
    explain_errors(app)
    add_security(app, services.accounts)
    return app


async def serve(home: Home, settings: Settings, at: Listening, say: Callable[[str], None]) -> None:
    """Serve a claimed home until a signal ends it; `say` gets the lines a person shall read.

    Raises PrefloopError with words when the server cannot start; then nothing was changed.
    """
    if words := home.tighten():
        say(words)
    with open_store(home, settings) as store:
        say(f"Loading {settings.model.name} ...")
        async with open_services(home, settings, store, say=say) as services, running(services):
            say(f"Model: {services.base.describe()}")
            say(f"Answers: {services.engine.way}")
            say(say_license(services.base))
            say(f"Serving: {services.router.champion}   Home: {home.path}")
            owner = _owner(services)
            if warning := in_the_open(at, settings.host):
                say(warning)
            certificate = None if at.tls is None else str(at.tls.certificate)
            home.publish(ServerCard(at.url, services.accounts.grant(owner.id), certificate))
            try:
                await _listen(create_app(services), at, lambda: _welcome(services, owner, at.url, say))
            finally:
                home.withdraw()


async def _listen(app: FastAPI, at: Listening, started: Callable[[], None]) -> None:
    config = uvicorn.Config(
        app,
        http=TimedConnection,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        ssl_certfile=None if at.tls is None else at.tls.certificate,
        ssl_keyfile=None if at.tls is None else at.tls.key,
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal again once it has stopped; without a handler that would skip our clean-up.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    serving = asyncio.create_task(server.serve(sockets=[*at.sockets]))
    while not (server.started or serving.done()):
        await asyncio.sleep(0.02)
    # What is there by now stays: without this each collection of all garbage looks through it again, on the event loop.
    gc.collect()
    gc.freeze()
    started()
    await serving


def in_the_open(at: Listening, host: str) -> str | None:
    """What to say where others may read along; None on loopback, by TLS, or where a proxy is named that does it."""
    if at.tls is not None or not at.open_to_others or "FORWARDED_ALLOW_IPS" in os.environ:
        return None
    return _IN_THE_OPEN.format(host=host)


def _owner(services: Services) -> Annotator:
    """The first admin who may sign in; made at the first start."""
    people = services.store.people.all()
    admins = [person for person in people if person.role is Role.ADMIN and person.disabled_at is None]
    return admins[0] if admins else services.store.people.add("admin", Role.ADMIN)


def _welcome(services: Services, owner: Annotator, url: str, say: Callable[[str], None]) -> None:
    """Say where to go; as long as the owner has no password, with a link that signs them in once."""
    if services.store.people.password_hash(owner.id) is None:
        say(f"\n  Sign in as {owner.login} (once):  {url}/auth/link?token={services.accounts.make_link(owner.id)}\n")
    else:
        say(f"\n  Open {url}\n")


async def _home() -> RedirectResponse:
    return RedirectResponse("/annotate/")


async def _health() -> dict[str, str]:
    """Asynchronous, so that it answers for as long as anything does."""
    return {"status": "ok"}
