"""Read the flags that annotators put on pairs, for an admin to review."""

import json
from dataclasses import dataclass

from data.db.database import Database, Row
from data.records import Flag, Message


@dataclass(frozen=True, slots=True)
class Flagged:
    """A current judgment with a flag, and the conversation it is about.

    retired: whether the prompt is retired. created_at: ms since the Unix epoch.
    """

    judgment_id: int
    pair_id: int
    prompt_id: int
    annotator_id: int
    flag: Flag
    comment: str
    messages: tuple[Message, ...]
    retired: bool
    created_at: int


class Flags:
    """The flags of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, limit: int) -> list[Flagged]:
        """Return the newest current flags, newest first."""
        rows = self._database.rows(
            """
            select j.id, j.pair_id, p.prompt_id, j.annotator_id, j.flag, j.comment, q.messages,
              q.retired_at is not null as retired, j.created_at
            from current_judgment j join pair p on p.id = j.pair_id join prompt q on q.id = p.prompt_id
            where j.flag is not null order by j.id desc limit ?
            """,
            [limit],
        )
        return [_flagged(row) for row in rows]

    def count(self) -> int:
        """Count the current flags on prompts that are not retired."""
        return self._database.value(
            """
            select count(*) from current_judgment j join pair p on p.id = j.pair_id join prompt q on q.id = p.prompt_id
            where j.flag is not null and q.retired_at is null
            """
        )


def _flagged(row: Row) -> Flagged:
    return Flagged(
        judgment_id=row["id"],
        pair_id=row["pair_id"],
        prompt_id=row["prompt_id"],
        annotator_id=row["annotator_id"],
        flag=Flag(row["flag"]),
        comment=row["comment"] or "",
        messages=tuple(json.loads(row["messages"])),
        retired=bool(row["retired"]),
        created_at=row["created_at"],
    )
