"""Aggregate several people's choices on one pair into one. Pure functions, used by exports.

Votes for neither say nothing about which answer is better; if there are only those, or the others are evenly split,
the result is a tie. If more than half of the votes for a, b or both bad are "both bad", that is the result. Rounds
(selection.py) follow the same rules.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from data.records import Choice
from data.rounds.selection import STRENGTH_UNSAID


class Aggregation(StrEnum):
    """How the votes on one pair are aggregated.

    JUDGMENTS: not at all, one row per judgment. MAJORITY: all count equally. DAWID_SKENE: weighted by how reliable the
    annotator is (data/quality/consensus.py).
    """

    JUDGMENTS = "judgments"
    MAJORITY = "majority"
    DAWID_SKENE = "dawid-skene"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One person's choice on a pair: a, b, tie or both_bad; strength 1-3, None: not given."""

    annotator_id: int
    choice: Choice
    strength: int | None = None


@dataclass(frozen=True, slots=True)
class AggregatedVotes:
    """The result of aggregation. strength: mean of the winning votes, 1-3; None if none of them has one.

    agreement: the winner's share of the votes for a or b, or with reliabilities its probability; if neither wins, the
    share of all votes that say so.
    """

    choice: Choice
    strength: float | None
    agreement: float


def outcome(opinions: Sequence[Opinion], reliability: Mapping[int, float] | None = None) -> AggregatedVotes:
    """Aggregate the opinions on a pair, at least one.

    reliability: by annotator id, how often they vote for the better answer, in 0-1; without it all count equally.
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
    """Return the support for a, in 0-1: its share of votes, or the probability that it is better."""
    decisive = [opinion for opinion in opinions if opinion.choice.decisive]
    if reliability is None:
        return sum(opinion.choice is Choice.A for opinion in decisive) / len(decisive)
    from scipy.special import expit, logit  # noqa: PLC0415  # --help must not wait for it

    weights = [float(logit(reliability[opinion.annotator_id])) for opinion in decisive]
    signs = [1 if opinion.choice is Choice.A else -1 for opinion in decisive]
    return float(expit(sum(sign * weight for sign, weight in zip(signs, weights, strict=True))))


def _strength(opinions: Iterable[Opinion], winner: Choice) -> float | None:
    said = [opinion.strength for opinion in opinions if opinion.choice is winner]
    if not any(said):  # a reliable minority may win, none of whom gave a strength
        return None
    return sum(strength or STRENGTH_UNSAID for strength in said) / len(said)
