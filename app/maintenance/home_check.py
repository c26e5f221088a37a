"""`prefloop check`: find damage in a home. It repairs nothing."""

from contextlib import closing
from dataclasses import dataclass

from app.home import Home
from app.serving.adapter_store import AdapterStore
from data.db.database import ReadDatabase
from data.errors import AdapterError, HomeError
from data.integrity import problems, sqlite_caveat


@dataclass(frozen=True, slots=True)
class HomeCheck:
    """The problems of a home, one per line, and other notes for its owner."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]


def look_through(home: Home) -> HomeCheck:
    """Look for damage in the store and in the files of all versions; a server may be running.

    Raises HomeError when there is no home, or its store cannot be opened.
    """
    if not home.database.exists():
        raise HomeError(f"there is no prefloop home in {home.path}; --home names another")
    with closing(ReadDatabase(home.database)) as database:
        found = problems(database) + _versions(home, database)
    caveat = sqlite_caveat()
    return HomeCheck(tuple(found), () if caveat is None else (caveat,))


def assert_sound(found: HomeCheck) -> None:
    """Raise HomeError if there are problems."""
    if found.problems:
        raise HomeError(
            f"{len(found.problems)} things are wrong; nothing was changed. Bring back a backup with `prefloop restore`"
        )


def _versions(home: Home, database: ReadDatabase) -> list[str]:
    adapter_store, found = AdapterStore(home.adapters), []
    for row in database.rows("select name, sha256 from adapter_version where sha256 is not null order by id"):
        try:
            adapter_store.verify(row["name"], row["sha256"])
        except (AdapterError, OSError) as error:
            found.append(str(error))
    return found
