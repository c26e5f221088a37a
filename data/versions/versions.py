"""Adapter versions, the base model, and which version served when. The files are in app/serving."""

import re
from collections.abc import Mapping

import sqlite_utils

from data.db.database import Database, Row, first, insert
from data.errors import ConflictError, HomeError, InputError, NotFoundError
from data.records import AdapterVersion, BaseModel, ServingAction, ServingEvent
from data.support.clock import Clock
from data.versions.prompt_formats import keep_format

BASE = "base"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = """
    select v.id, v.name, v.sha256, v.round_id, p.name as parent, v.created_at, v.prompt_format
    from adapter_version v left join adapter_version p on p.id = v.parent_id
"""
_EVENT = """
    select e.id, v.name as version, e.action, e.actor_id, e.reason, e.created_at
    from serving_event e join adapter_version v on v.id = e.version_id
"""


def version_id(db: sqlite_utils.Database, name: str) -> int:
    """Return the id of a version by name, inside a write transaction. Raises NotFoundError."""
    row = first(db, "select id from adapter_version where name = ?", [name])
    if row is None:
        raise _unknown(name)
    return int(row["id"])


def insert_serving(
    db: sqlite_utils.Database, name: str, action: ServingAction, *, actor_id: int | None, reason: str, at: int
) -> int:
    """Record that a version serves from now on, inside a write transaction. Raises NotFoundError for an unknown one."""
    event = {
        "version_id": version_id(db, name),
        "action": action.value,
        "actor_id": actor_id,
        "reason": reason,
        "created_at": at,
    }
    return insert(db, "serving_event", event)


class Versions:
    """The adapter versions of a store, which is bound to one base model."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def ensure_base(self, model: str, revision: str) -> AdapterVersion:
        """Bind the store to a base model, as the version "base".

        Raises HomeError if it is bound to another model or revision.
        """

        def work(db: sqlite_utils.Database) -> None:
            row = first(db, "select base_model, base_revision from adapter_version where name = ?", [BASE])
            if row is None:
                bare = {
                    "name": BASE,
                    "base_model": model,
                    "base_revision": revision,
                    "created_at": self._clock(),
                }
                insert(db, "adapter_version", bare)
            elif (row["base_model"], row["base_revision"]) != (model, revision):
                raise HomeError(
                    f"{self._database.path.parent} belongs to the model {row['base_model']} at revision "
                    f"{row['base_revision']}, not to {model} at {revision}: choose another --home for that "
                    f"model, or go on with --model {row['base_model']}"
                )

        self._database.write(work)
        return self.by_name(BASE)

    def note_license(self, license_: str | None) -> None:
        """Store the license found beside the base model, in words; None if there was none. Call after `ensure_base`."""
        self._database.write(
            lambda db: db.execute("update adapter_version set base_license = ? where name = ?", [license_, BASE])
        )

    def base_model(self) -> BaseModel | None:
        """Return the model that the store is bound to; None before it is."""
        row = self._database.row(
            "select base_model, base_revision, base_license from adapter_version where name = ?", [BASE]
        )
        return None if row is None else BaseModel(row["base_model"], row["base_revision"], row["base_license"])

    def add(
        self,
        name: str,
        *,
        round_id: int | None,
        parent: str,
        sha256: str,
        prompt_format: Mapping[str, object] | None = None,
    ) -> AdapterVersion:
        """Add an adapter made by a round (None: imported) that was trained from `parent`.

        prompt_format: the format it was trained in, None if not known.

        Raises InputError for a name that cannot be a directory's or an invalid digest, ConflictError if
        the name is taken, NotFoundError if the parent or the round does not exist.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"version name {name!r} is not 1 to 64 letters, digits or . _ -; choose another")
        if not _SHA256.fullmatch(sha256):
            raise InputError(f"version {name}: {sha256!r} is not a sha256 of 64 hexadecimal digits")

        def work(db: sqlite_utils.Database) -> None:
            if first(db, "select 1 from adapter_version where name = ?", [name]):
                raise ConflictError(f"version {name} exists already; versions never change, choose another name")
            if round_id is not None and not first(db, "select 1 from round where id = ?", [round_id]):
                raise NotFoundError(f"there is no round {round_id}")
            row = first(db, "select * from adapter_version where id = ?", [version_id(db, parent)])
            assert row is not None
            now = self._clock()
            version = {
                "name": name,
                "base_model": row["base_model"],
                "base_revision": row["base_revision"],
                "parent_id": row["id"],
                "round_id": round_id,
                "sha256": sha256,
                "created_at": now,
                "prompt_format": None if prompt_format is None else keep_format(db, prompt_format, at=now),
            }
            insert(db, "adapter_version", version)

        self._database.write(work)
        return self.by_name(name)

    def by_name(self, name: str) -> AdapterVersion:
        """Return the version of this name. Raises NotFoundError."""
        row = self._database.row(f"{_VERSION} where v.name = ?", [name])
        if row is None:
            raise _unknown(name)
        return _version(row)

    def all(self) -> list[AdapterVersion]:
        """Return all versions, oldest first."""
        return [_version(row) for row in self._database.rows(f"{_VERSION} order by v.id")]

    def champion(self) -> AdapterVersion | None:
        """Return the version that serves, None before any did."""
        row = self._database.row(f"{_EVENT} order by e.id desc limit 1")
        return None if row is None else self.by_name(row["version"])

    def record_serving(self, name: str, action: ServingAction, *, actor_id: int | None, reason: str) -> ServingEvent:
        """Record that a version serves from now on. Raises NotFoundError for an unknown one."""

        def work(db: sqlite_utils.Database) -> int:
            return insert_serving(db, name, action, actor_id=actor_id, reason=reason, at=self._clock())

        event_id = self._database.write(work)
        [row] = self._database.rows(f"{_EVENT} where e.id = ?", [event_id])
        return _event(row)

    def serving_history(self) -> list[ServingEvent]:
        """Return every change of the champion, oldest first."""
        return [_event(row) for row in self._database.rows(f"{_EVENT} order by e.id")]


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"there is no adapter version {name}")


def _version(row: Row) -> AdapterVersion:
    return AdapterVersion(
        id=row["id"],
        name=row["name"],
        sha256=row["sha256"],
        round_id=row["round_id"],
        parent=row["parent"],
        created_at=row["created_at"],
        prompt_format=row["prompt_format"],
    )


def _event(row: Row) -> ServingEvent:
    return ServingEvent(
        id=row["id"],
        version=row["version"],
        action=ServingAction(row["action"]),
        actor_id=row["actor_id"],
        reason=row["reason"],
        created_at=row["created_at"],
    )
