"""The webhook outbox: messages wait here until they are delivered or given up.

app/background/webhooks.py sends them and reports each try back.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlite_utils

from data.db.database import Database, Row, insert
from data.support.clock import Clock
from data.support.digests import canonical


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """A message to one address. key: the same on every try, so that receivers can drop repeats; tries: failed ones.

    error: why the last try failed. Times in ms since the Unix epoch; sent_at and given_up_at are None while it waits.
    """

    id: int
    key: str
    address: str
    body: Mapping[str, object]
    tries: int
    next_at: int
    created_at: int
    sent_at: int | None
    given_up_at: int | None
    error: str | None


class Outbox:
    """The outbox of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def put(self, body: Mapping[str, object], addresses: Sequence[str]) -> None:
        """Add a message for each address, due now."""
        now = self._clock()

        def work(db: sqlite_utils.Database) -> None:
            for address in addresses:
                row = {"key": secrets.token_hex(16), "address": address, "body": canonical(dict(body))}
                insert(db, "outbox", row | {"next_at": now, "created_at": now})

        self._database.write(work)

    def due(self) -> list[WebhookMessage]:
        """Return the messages that are due, oldest first."""
        sql = "select * from outbox where sent_at is null and given_up_at is null and next_at <= ? order by id"
        return [_parcel(row) for row in self._database.rows(sql, [self._clock()])]

    def next_at(self) -> int | None:
        """Return when the next message is due, in ms since the Unix epoch; None if none waits."""
        row = self._database.row("select min(next_at) as at from outbox where sent_at is null and given_up_at is null")
        return None if row is None else row["at"]

    def newest(self, limit: int) -> list[WebhookMessage]:
        """Return the newest messages, newest first, whatever their state."""
        return [_parcel(row) for row in self._database.rows("select * from outbox order by id desc limit ?", [limit])]

    def sent(self, parcel_id: int) -> None:
        """Mark a message as delivered."""
        self._set(parcel_id, "sent_at = ?, error = null", [self._clock()])

    def failed(self, parcel_id: int, error: str, *, again_in_ms: int | None) -> None:
        """Record a failed try and when to try again; None gives the message up."""
        now = self._clock()
        if again_in_ms is None:
            self._set(parcel_id, "tries = tries + 1, error = ?, given_up_at = ?", [error, now])
        else:
            self._set(parcel_id, "tries = tries + 1, error = ?, next_at = ?", [error, now + again_in_ms])

    def _set(self, parcel_id: int, what: str, values: list[object]) -> None:
        self._database.write(lambda db: db.execute(f"update outbox set {what} where id = ?", [*values, parcel_id]))


def _parcel(row: Row) -> WebhookMessage:
    return WebhookMessage(**{**row, "body": json.loads(row["body"])})
