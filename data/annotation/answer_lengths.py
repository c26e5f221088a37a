"""How long a version's answers are, and how many of them the token limit cut off."""

import math
import statistics
from dataclasses import dataclass

from data.db.database import Database
from data.records import FinishReason

_NEWEST = 2000


@dataclass(frozen=True, slots=True)
class Lengths:
    """A version's answers, how many were cut off, and median and p90 (nearest rank) of their lengths in tokens."""

    answers: int
    cut_off: int
    median: float
    p90: int


class AnswerLengths:
    """The lengths of a store's sampled answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, version: str) -> Lengths | None:
        """Return the lengths of a version's answers among the newest 2,000 of the store; None if it has none there."""
        rows = self._database.rows(
            """
            select json_array_length(completion.token_ids) as tokens, finish_reason from completion
            join adapter_version on adapter_version.id = completion.version_id
            where completion.id > (select max(id) from completion) - ? and adapter_version.name = ?
            """,
            [_NEWEST, version],
        )
        if not rows:
            return None
        tokens = sorted(row["tokens"] for row in rows)
        return Lengths(
            answers=len(rows),
            cut_off=sum(row["finish_reason"] == FinishReason.LENGTH for row in rows),
            median=statistics.median(tokens),
            p90=tokens[math.ceil(0.9 * len(tokens)) - 1],
        )
