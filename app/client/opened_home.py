"""A home that no server runs on, opened by this process: its lock, its settings, its store. Knows nothing of HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.home import Home
from app.settings.open_store import open_store
from app.settings.settings import Settings, load_settings
from data.db.lock import HomeLock
from data.errors import HomeError
from data.store import PreferenceStore


@dataclass(frozen=True, slots=True)
class OpenedHome:
    """A home whose lock this process holds."""

    home: Home
    settings: Settings
    store: PreferenceStore


@contextmanager
def opened_home(home: Home, *, make: bool = False) -> Iterator[OpenedHome]:
    """Open a home that exists, or is made. Raises HomeError when it does not exist, or another process has it."""
    if make:
        home.create()
    elif not home.database.exists():
        raise HomeError(f"there is no prefloop home in {home.path}; `prefloop serve` makes one, --home names another")
    settings = load_settings(home.path)
    with HomeLock(home.path), open_store(home, settings) as store:
        yield OpenedHome(home, settings, store)
