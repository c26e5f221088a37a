"""Which judgments an export takes, and how it aggregates them."""

from dataclasses import dataclass

from data.records import Split
from data.rounds.aggregation import Aggregation


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """The filters of an export; the defaults take every pair, training and held-out, that has a majority.

    rounds: only judgments used by one of these; empty: the current ones. versions: only pairs with an answer of one of
    these. since, until: when judged, ms since the Unix epoch, since inclusive, until exclusive. annotators: pseudonyms.
    tags: only judgments with one of these reasons. languages: ISO 639-1, of prompt and answers together. agreement: the
    winner's least share of the votes for either; votes: the least number of votes on a pair; strength: the least mean
    strength of the winning votes, 1-3. ties, both_bad: also take pairs where neither answer is better, or both are bad.
    barred: also take what no round would: evaluation, gold and re-asked pairs, flagged ones, and judgments of
    annotators in quarantine.
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
