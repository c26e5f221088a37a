"""What annotators flagged, for an admin to look at. Knows nothing of what is done about it."""

import json
from dataclasses import dataclass

from data.db.database import Database, Row
from data.records import Flag, Message


@dataclass(frozen=True, slots=True)
class Flagged:
    """A standing judgment with a flag, and the conversation it is about.

    retired: whether the prompt is. created_at: ms since the Unix epoch.
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
        """The newest flags that stand, newest first."""
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
        """How many flags stand on prompts that are not retired."""
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
