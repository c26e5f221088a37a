"""What the command line does with a home that no server runs on: takes the lock, opens the store, acts.

Acts are kept in the audit by the names that the API has for them; nobody is said to have done them, since whoever owns
the files may. Knows nothing of HTTP.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from app.api.versions import adapters_out
from app.client.people import StoredRoster
from app.home import Home
from app.people.accounts import Accounts
from app.services import Services
from app.serving.adapter_store import AdapterStore
from app.settings.open_store import open_store
from app.settings.settings import Settings, load_settings
from app.startup import open_services
from app.versions.registry import adapter_files
from data.activity.audit import AuditAct
from data.db.lock import HomeLock
from data.errors import HomeError
from data.records import Ruling
from data.store import PreferenceStore


@contextmanager
def opened_home(home: Home, *, make: bool = False) -> Iterator[tuple[Settings, PreferenceStore]]:
    """Settings and store of a home that exists, or is made. Raises HomeError when it does not, or is owned."""
    if make:
        home.create()
    elif not home.database.exists():
        raise HomeError(f"there is no prefloop home in {home.path}; `prefloop serve` makes one, --home names another")
    settings = load_settings(home.path)
    with HomeLock(home.path), open_store(home, settings) as store:
        yield settings, store


@contextmanager
def opened_store(home: Home) -> Iterator[PreferenceStore]:
    """The store of a home, to read. Raises HomeError when there is none, or a server owns it."""
    with opened_home(home) as (_, store):
        yield store


@contextmanager
def roster(home: Home, *, make: bool = False) -> Iterator[StoredRoster]:
    """The people of a home; with `make`, one that does not exist yet is made. Links lead to where it will listen."""
    with opened_home(home, make=make) as (settings, store):
        yield StoredRoster(Accounts(store), store.audit, f"http://{settings.host}:{settings.port}")


def list_adapters(home: Home) -> dict[str, Any]:
    """All versions and which one serves, as the API has them."""
    with opened_home(home) as (_, store):
        return adapters_out(store).model_dump(mode="json")


async def promote_adapter(home: Home, name: str, reason: str) -> None:
    """Make a version the champion after the same proof that a server asks for: the model is loaded for it."""
    async with _services(home) as services:
        await services.registry.promote(name, reason=reason)
        await _keep(services, "promote", name=name, reason=reason)


async def roll_back(home: Home, reason: str) -> str:
    """Make the version that served before the champion, by the same proof; returns its name."""
    async with _services(home) as services:
        champion = await services.registry.roll_back(reason=reason)
        await _keep(services, "roll_back", reason=reason)
    return champion


async def rule_on_adapter(home: Home, name: str, ruling: Ruling, reason: str) -> None:
    """Decide on a version without serving it."""
    async with _services(home) as services:
        await services.registry.rule(name, ruling, reason=reason)
        await _keep(services, ruling.value, name=name, reason=reason)


def copy_adapter(home: Home, name: str, out: Path) -> None:
    """Copy a version's verified directory to a new one."""
    with opened_home(home) as (_, store):
        shutil.copytree(adapter_files(store, AdapterStore(home.adapters), name), out)
        store.audit.add(None, AuditAct.DOWNLOAD_VERSION, {"name": name})


@asynccontextmanager
async def _services(home: Home) -> AsyncIterator[Services]:
    with opened_home(home) as (settings, store):
        async with open_services(home, settings, store, serve_champion=False) as services:
            yield services


async def _keep(services: Services, act: str, **detail: str) -> None:
    await asyncio.to_thread(services.store.audit.add, None, AuditAct(act), detail)
