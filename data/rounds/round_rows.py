"""Turn rows of the round table into records."""

import json
from typing import Any

import sqlite_utils

from data.db.database import Row, first
from data.errors import NotFoundError, RoundRunsError
from data.records import Round, RoundState, Without


def round_of(row: Row) -> Round:
    """Return a row as a round."""
    return Round(
        id=row["id"],
        state=RoundState(row["state"]),
        reason=row["reason"],
        config=json.loads(row["config"]),
        counts=json.loads(row["counts"]),
        started_by=row["started_by"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        flip_rate=row["flip_rate"],
        cause=row["cause"],
        waited=bool(row["waited"]),
        rules=json.loads(row["rules"]),
        sha256=row["sha256"],
        newest_judgment=row["newest_judgment"],
        rebuilds_id=row["rebuilds_id"],
        without=None if row["left_out"] is None else _without(json.loads(row["left_out"])),
    )


def _without(found: dict[str, list[Any]]) -> Without:
    return Without(tuple(found["annotators"]), tuple(found["sources"]))


def assert_none_runs(db: sqlite_utils.Database) -> None:
    """Raise RoundRunsError while a round runs; inside a write transaction."""
    running = first(db, "select id, state from round where ended_at is null")
    if running is not None:
        raise RoundRunsError(f"round {running['id']} is {running['state']}; wait for it to end, or cancel it")


def unknown_round(round_id: int) -> NotFoundError:
    """The error for a round that does not exist."""
    return NotFoundError(f"there is no round {round_id}")
