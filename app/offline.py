"""What the command line does with a home that no server runs on: takes the lock, opens the store, acts.

Knows nothing of HTTP.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.accounts import Accounts
from app.config import Settings, load_settings
from app.home import Home
from app.roster import StoredRoster
from app.services import open_services, open_store
from data.errors import HomeError
from data.formats import trl
from data.lock import HomeLock
from data.store import PreferenceStore


@contextmanager
def _opened(home: Home, *, make: bool = False) -> Iterator[tuple[Settings, PreferenceStore]]:
    """Settings and store of a home that exists, or is made. Raises HomeError when it does not, or is owned."""
    if make:
        home.create()
    elif not home.database.exists():
        raise HomeError(f"there is no prefloop home in {home.path}; `prefloop serve` makes one, --home names another")
    settings = load_settings(home.path)
    with HomeLock(home.path), open_store(home, settings) as store:
        yield settings, store


@contextmanager
def roster(home: Home, *, make: bool = False) -> Iterator[StoredRoster]:
    """The people of a home; with `make`, one that does not exist yet is made. Links lead to where it will listen."""
    with _opened(home, make=make) as (settings, store):
        yield StoredRoster(Accounts(store), f"http://{settings.host}:{settings.port}")


def list_adapters(home: Home) -> tuple[str | None, list[str]]:
    """The version that serves (None before the first start), and the names of all."""
    with _opened(home) as (_, store):
        champion = store.versions.champion()
        return champion.name if champion else None, [version.name for version in store.versions.all()]


async def promote_adapter(home: Home, name: str, reason: str) -> None:
    """Make a version the champion after the same proof that a server asks for: the model is loaded for it."""
    with _opened(home) as (settings, store):
        async with open_services(home, settings, store, serve_champion=False) as services:
            await services.adapters.promote(name, reason=reason)


def export(home: Home, out: Path) -> int:
    """Write all preferences in TRL's format; returns how many."""
    with _opened(home) as (_, store):
        return trl.write(out, store.rounds.preferences())
