"""Check a database for damage: by SQLite's own checks, and by our digests and counts.

A flipped bit in a text passes SQLite's integrity check. Nothing is repaired.
"""

import sqlite3
from collections.abc import Iterator

import sqlite_utils

from data.annotation import completions, judgment_rows
from data.db import migrations
from data.db.database import ReadDatabase
from data.errors import HomeError
from data.support.digests import row_digest, sha256

_GUARDS = {
    "decision_no_delete",
    "decision_no_replace",
    "decision_no_update",
    "judgment_no_update",
    "judgment_no_delete",
    "judgment_no_replace",
    "judgment_supersedes_own",
    "judgment_fills_pair",
    "pair_compares",
    "pair_counts_on_prompt",
    "round_judgment_no_update",
    "round_judgment_no_delete",
    "round_judgment_no_replace",
}
_BACKPORTS = {(3, 50, 7), (3, 44, 6)}
_WRONGLY_FILLED = """
    select p.id from pair p where p.judged <> (
      select count(*) from current_judgment j where j.pair_id = p.id and j.choice <> 'skip')
"""
_WRONGLY_COUNTED = """
    select p.id from prompt p where p.pairs <> (select count(*) from pair where pair.prompt_id = p.id)
"""


def problems(database: ReadDatabase) -> list[str]:
    """Return the problems found, a line each. Read-only."""
    try:
        if stranger := _of_another_prefloop(database):
            return [*_by_sqlite(database), stranger]
        return [*_by_sqlite(database), *_guards(database), *_digests(database), *_counts(database)]
    except HomeError as error:
        return [str(error)]


def sqlite_caveat() -> str | None:
    """Return a warning if this SQLite has the WAL-reset bug, from which one owner and one writer protect us."""
    fixed = sqlite3.sqlite_version_info >= (3, 51, 3) or sqlite3.sqlite_version_info[:3] in _BACKPORTS
    if fixed or sqlite3.sqlite_version_info < (3, 7):
        return None
    return (
        f"SQLite {sqlite3.sqlite_version} can lose commits when two programs write to one database: "
        "let nothing but prefloop open it while it runs (fixed in 3.51.3)"
    )


def _of_another_prefloop(database: ReadDatabase) -> str | None:
    """Return why only SQLite's own checks are possible: the tables are of a newer or older prefloop."""
    with database.lent() as connection:
        db = sqlite_utils.Database(connection, execute_plugins=False)
        if unknown := migrations.unknown_steps(db):
            return f"it was made by a newer prefloop (it has {unknown[0]}); update prefloop, and check again"
        if pending := migrations.STEPS.pending(db):
            return (
                f"it was made by an older prefloop (it lacks {pending[0].name}); back it up, let `prefloop "
                "serve` bring it up to date, and check again"
            )
    return None


def _by_sqlite(database: ReadDatabase) -> Iterator[str]:
    for row in database.rows("pragma integrity_check"):
        if row["integrity_check"] != "ok":
            yield f"SQLite: {row['integrity_check']}"
    for row in database.rows("pragma foreign_key_check"):
        yield f"{row['table']} {row['rowid']} refers to a {row['parent']} that does not exist"


def _guards(database: ReadDatabase) -> Iterator[str]:
    there = {row["name"] for row in database.rows("select name from sqlite_master where type = 'trigger'")}
    for name in sorted(_GUARDS - there):
        yield f"the trigger {name} is missing"


def _digests(database: ReadDatabase) -> Iterator[str]:
    for table, content_of in (("completion", completions.content_of), ("judgment", judgment_rows.content_of)):
        for row in database.each(f"select * from {table}"):
            if row_digest(row, content_of(row)) != row["sha256"]:
                yield f"{table} {row['id']} is not as it was written"
    for row in database.each("select id, messages, sha256 from prompt"):
        if sha256(row["messages"]) != row["sha256"]:
            yield f"prompt {row['id']} is not as it was written"


def _counts(database: ReadDatabase) -> Iterator[str]:
    for row in database.rows(_WRONGLY_FILLED):
        yield f"pair {row['id']} has a wrong count of judgments"
    for row in database.rows(_WRONGLY_COUNTED):
        yield f"prompt {row['id']} has a wrong count of pairs"
