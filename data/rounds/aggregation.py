"""What several people's choices on one pair come to. Pure functions; knows nothing of tables or of which votes count.

Votes for neither say nothing of which answer is better; where there are only those, or the others are evenly split,
neither is. A pair that more than half of the votes for a, b or both bad call bad has two bad answers. So do rounds
take it (selection.py).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy.special import expit, logit

from data.records import Choice
from data.rounds.selection import STRENGTH_UNSAID


class Aggregation(StrEnum):
    """How votes on one pair are put together.

    JUDGMENTS: they are not, each is one. MAJORITY: each counts alike. DAWID_SKENE: each counts by how reliable its
    annotator is (data/quality/consensus.py).
    """

    JUDGMENTS = "judgments"
    MAJORITY = "majority"
    DAWID_SKENE = "dawid-skene"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One person's choice on a pair; strength 1-3, None: not said. It is a, b, tie or both_bad."""

    annotator_id: int
    choice: Choice
    strength: int | None = None


@dataclass(frozen=True, slots=True)
class AggregatedVotes:
    """What opinions come to. strength: mean of the winning ones', 1-3; None if none of them says one.

    agreement: the winner's share of the opinions that name one, or with reliabilities its probability; of the opinions
    for what neither wins, their share of all.
    """

    choice: Choice
    strength: float | None
    agreement: float


def outcome(opinions: Sequence[Opinion], reliability: Mapping[int, float] | None = None) -> AggregatedVotes:
    """What at least one opinion on a pair comes to.

    reliability: by annotator id, how often he votes for the better answer, in 0-1; without it everybody counts alike.
    """
    counts = Counter(opinion.choice for opinion in opinions)
    decisive = counts[Choice.A] + counts[Choice.B]
    if counts[Choice.BOTH_BAD] > decisive:
        return AggregatedVotes(Choice.BOTH_BAD, None, counts[Choice.BOTH_BAD] / len(opinions))
    for_a = _share_of_a(opinions, reliability) if decisive else 0.5
    if for_a == 0.5:
        return AggregatedVotes(Choice.TIE, None, 1 - decisive / len(opinions))
    winner = Choice.A if for_a > 0.5 else Choice.B
    return AggregatedVotes(winner, _strength(opinions, winner), max(for_a, 1 - for_a))


def _share_of_a(opinions: Iterable[Opinion], reliability: Mapping[int, float] | None) -> float:
    """How much speaks for a, in 0-1: a share of votes, or the probability that a is better."""
    decisive = [opinion for opinion in opinions if opinion.choice.decisive]
    if reliability is None:
        return sum(opinion.choice is Choice.A for opinion in decisive) / len(decisive)
    weights = [float(logit(reliability[opinion.annotator_id])) for opinion in decisive]
    signs = [1 if opinion.choice is Choice.A else -1 for opinion in decisive]
    return float(expit(sum(sign * weight for sign, weight in zip(signs, weights, strict=True))))


def _strength(opinions: Iterable[Opinion], winner: Choice) -> float | None:
    said = [opinion.strength for opinion in opinions if opinion.choice is winner]
    if not any(said):  # the reliable may outvote all who said how much better it is
        return None
    return sum(strength or STRENGTH_UNSAID for strength in said) / len(said)
