"""Which judgments an export takes and what it makes of them. Knows nothing of tables, formats and files."""

from dataclasses import dataclass

from data.records import Split
from data.rounds.aggregation import Aggregation


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """The defaults take every pair of the training and the held-out prompts that has a majority.

    rounds: only judgments that one of these used; empty: those that stand now. versions: only pairs with an answer of
    one of these. since, until: when judged, ms since the Unix epoch, the first within and the second not. annotators:
    pseudonyms. tags: only judgments that give one of these reasons. languages: ISO 639-1, of prompt and answers
    together. agreement: the winner's least share of the votes for either; votes: the least number of votes on a pair;
    strength: the least mean of the winning votes', 1-3. ties, both_bad: take pairs of which neither answer is better,
    and of which both are bad. barred: take, too, what no round would: pairs that measure, flagged ones, and judgments
    of people in quarantine.
    """

    split: Split | None = None
    rounds: tuple[int, ...] = ()
    versions: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    annotators: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    aggregation: Aggregation = Aggregation.MAJORITY
    agreement: float = 0.0
    votes: int = 1
    strength: float = 1.0
    ties: bool = False
    both_bad: bool = False
    barred: bool = False
