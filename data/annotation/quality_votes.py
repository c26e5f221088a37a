"""Read the judgments as votes, the rows that the measures in data/quality are computed from."""

from dataclasses import dataclass

import numpy as np

from data.barring.barring import read_ms
from data.db.database import Database
from data.quality.vote import QualityVote
from data.quality.vote_table import QualityVoteTable

# After judging a gold pair annotators may be told the expected choice, so a later change or undo says nothing about
# them: on gold pairs the first judgment counts. On all other pairs the current one does (view current_judgment).
_WORDS = f"""
    select id, pair_id, annotator_id, choice, strength, swapped, {read_ms("j")} as elapsed_ms, created_at
      from current_judgment j where follows_id is null and pair_id not in (select pair_id from gold)
    union all
    select id, pair_id, annotator_id, choice, strength, swapped, elapsed_ms, created_at
      from judgment where supersedes_id is null and pair_id in (select pair_id from gold)
"""


@dataclass(frozen=True, slots=True)
class GoldTally:
    """How annotators did on a gold pair: how many made the expected choice (right), of how many."""

    right: int
    of: int


class QualityVotes:
    """The votes of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[QualityVote]:
        """Return every vote, oldest first.

        A re-ask has the item id of the pair that it repeats. The judgment that an edit adds is no vote: nobody was
        asked.
        """
        return list(self.table())

    def table(self) -> QualityVoteTable:
        """Return every vote, oldest first, as columns."""
        found = self._where("true")
        return found.taken(np.argsort(found.judgment))

    def cast_here(self, *, since: int = 0) -> QualityVoteTable:
        """Return the votes since a time (ms since the Unix epoch), imported ones left out.

        Nothing is known of how the answers of imported pairs were shown, so they tell nothing about habits.
        """
        return self._where("p.imported_sha256 is null and w.created_at >= ?", since)

    def _where(self, condition: str, *params: int) -> QualityVoteTable:
        sql = f"""
            select w.id, w.annotator_id, iif(p.purpose = 'reask', p.repeats_id, p.id), p.purpose, w.choice, w.strength,
              w.swapped, p.length_a, p.length_b, w.elapsed_ms, w.created_at, g.choice
            from ({_WORDS}) w join pair p on p.id = w.pair_id left join gold g on g.pair_id = w.pair_id
            where {condition}
        """
        with self._database.moment() as moment:
            return QualityVoteTable.read(moment.in_chunks(sql, params))

    def tallies(self) -> dict[int, GoldTally]:
        """Count right and all first judgments of each gold pair that has any, by pair id; skips are not counted."""
        rows = self._database.rows(
            """
            select j.pair_id, sum(j.choice = g.choice) as hits, count(*) as words
            from gold g join judgment j on j.pair_id = g.pair_id
            where j.supersedes_id is null and j.choice <> 'skip' group by j.pair_id
            """
        )
        return {int(row["pair_id"]): GoldTally(int(row["hits"]), int(row["words"])) for row in rows}
