"""Read the votes between versions, given on pairs with an answer of each. Trials and the ranking evaluate them."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.barring.barring import Barring
from data.db.database import Database, Row
from data.records import Choice
from data.versions.sequential_test import Evidence

_CONTESTS = """
    select j.id, j.choice, va.name as a, vb.name as b, (
      select created_at from judgment
      where pair_id = j.pair_id and annotator_id = j.annotator_id order by id limit 1) as given_at
    from pair join current_judgment j on j.pair_id = pair.id
    join completion ca on ca.id = pair.completion_a_id join adapter_version va on va.id = ca.version_id
    join completion cb on cb.id = pair.completion_b_id join adapter_version vb on vb.id = cb.version_id
    where pair.purpose = 'eval' and j.follows_id is null and j.choice <> 'skip' and {unfit} is null
    order by j.id
"""


@dataclass(frozen=True, slots=True)
class ComparisonVote:
    """A vote between answers of two versions. winner: None for a tie or two bad answers.

    given_at: when the annotator first judged the pair, in ms since the Unix epoch; changing a judgment is no new vote.
    """

    judgment_id: int
    versions: tuple[str, str]
    winner: str | None
    given_at: int


class Comparisons:
    """The current comparison votes of a store that may count (see data/barring)."""

    def __init__(self, database: Database, barring: Barring) -> None:
        self._database = database
        self._sql = _CONTESTS.format(unfit=barring.unfit())

    def all(self) -> list[ComparisonVote]:
        """Return every vote between any two versions, oldest first."""
        return [_contest(row) for row in self._database.rows(self._sql)]

    def results(self) -> list[tuple[str, str, str | None]]:
        """Return the votes as `ladder` takes them: two versions, and which of them won."""
        return [(*contest.versions, contest.winner) for contest in self.all()]

    def between(self, challenger: str, champion: str, *, since: int = 0) -> list[ComparisonVote]:
        """Return the votes between two versions, oldest first; since: only from then on (ms since the Unix epoch)."""
        two = {challenger, champion}
        return [contest for contest in self.all() if set(contest.versions) == two and contest.given_at >= since]


def evidence(comparisons: Sequence[ComparisonVote], challenger: str) -> Evidence:
    """Count the votes between a challenger and one other version as evidence."""
    won = [contest.winner == challenger for contest in comparisons if contest.winner is not None]
    return Evidence(sum(won), len(won) - sum(won))


def _contest(row: Row) -> ComparisonVote:
    versions = (row["a"], row["b"])
    winner = {Choice.A: row["a"], Choice.B: row["b"]}.get(Choice(row["choice"]))
    return ComparisonVote(row["id"], versions, winner, row["given_at"])
