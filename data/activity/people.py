"""Count what each person has done, and when they were last active. For the admins' list of people."""

from dataclasses import dataclass

from data.db.database import Database


@dataclass(frozen=True, slots=True)
class Activity:
    """What a person did. Times in ms since the Unix epoch, None for never.

    judgments: current ones. signed_in_at: start of their newest browser session that has not been deleted.
    """

    annotator_id: int
    judgments: int
    judged_at: int | None
    signed_in_at: int | None


class Activities:
    """The activity of a store's people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Activity]:
        """Return everybody's activity, in the order they were added."""
        rows = self._database.rows(
            """
            select a.id, coalesce(j.judgments, 0) as judgments, j.judged_at, s.signed_in_at from annotator a
            left join (select annotator_id, count(*) as judgments, max(created_at) as judged_at
                       from current_judgment where follows_id is null group by annotator_id) j on j.annotator_id = a.id
            left join (select annotator_id, max(created_at) as signed_in_at from session
                       where name is null group by annotator_id) s on s.annotator_id = a.id
            order by a.id
            """
        )
        return [Activity(row["id"], row["judgments"], row["judged_at"], row["signed_in_at"]) for row in rows]
