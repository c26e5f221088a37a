"""All that is measured of one person. Judges nothing: what stands out is for findings.py. Knows nothing of pages."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.quality.agreement import cohen
from data.quality.ballot import Ballot, first_words, in_order
from data.quality.bias import LengthBias, length_bias, longer_wins, position_bias
from data.quality.consensus import Consensus
from data.quality.consistency import gold_accuracy, median_seconds, repeats, too_fast
from data.quality.reliability import Reliability, reliability
from data.quality.share import Share, share
from data.records import Choice

STRETCH = 20
"""Judgments that one point of a person's course over time is made of; the last may have fewer."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some judgments of one person in a row. Times in ms since the Unix epoch.

    agreement: with the consensus of the others. left: how often the left side won. seconds: their median.
    """

    begun_at: int
    ended_at: int
    judgments: int
    agreement: Share | None
    left: Share | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class AnnotatorQuality:
    """What one person's ballots show. What they do not show is None.

    choices: how often each was made. left, longer: how often the left and the longer answer wins, where one does.
    undecided: how often neither wins. length: the bias by length. reliability: how often the better answer is voted
    for. margin: see consensus.py. agreement: with the consensus of the others, where both name a winner; kappa:
    Cohen's, of the same. repeats: how often a re-ask is answered alike. gold: how often the known choice is made.
    seconds: the median. pace: see consistency.py. too_fast: how often nobody could have read both. course: over time.
    """

    annotator_id: int
    judgments: int
    choices: Mapping[Choice, int]
    left: Share | None
    longer: Share | None
    undecided: Share | None
    length: LengthBias | None
    reliability: Reliability | None
    margin: float
    agreement: Share | None
    kappa: float | None
    repeats: Share | None
    gold: Share | None
    seconds: float | None
    pace: float | None
    too_fast: Share | None
    course: tuple[Stretch, ...]


def annotator_quality(
    annotator_id: int, ballots: Sequence[Ballot], agreed: Consensus, pace: float | None
) -> AnnotatorQuality:
    """The measures of a person's own ballots, given the consensus of all and the pace among them."""
    words = first_words(ballots)
    said = in_order(ballots)
    winners = [(word.winner, agreed.winner(word)) for word in words]
    return AnnotatorQuality(
        annotator_id=annotator_id,
        judgments=len(ballots),
        choices=Counter(ballot.choice for ballot in ballots),
        left=position_bias(said),
        longer=longer_wins(said),
        undecided=share(ballot.winner is None for ballot in said),
        length=length_bias(said),
        reliability=reliability(agreed.support(word) for word in words),
        margin=agreed.margins.get(annotator_id, 0.0),
        agreement=share(_alike(word, agreed) for word in words),
        kappa=cohen((own, others) for own, others in winners if own is not None and others is not None),
        repeats=repeats(said),
        gold=gold_accuracy(said),
        seconds=median_seconds(said),
        pace=pace,
        too_fast=too_fast(said),
        course=tuple(_course(said, agreed)),
    )


def _course(said: Sequence[Ballot], agreed: Consensus) -> Iterator[Stretch]:
    for start in range(0, len(said), STRETCH):
        some = said[start : start + STRETCH]
        yield Stretch(
            begun_at=some[0].created_at,
            ended_at=some[-1].created_at,
            judgments=len(some),
            agreement=share(_alike(ballot, agreed) for ballot in some),
            left=position_bias(some),
            seconds=median_seconds(some),
        )


def _alike(ballot: Ballot, agreed: Consensus) -> bool | None:
    others = agreed.winner(ballot)
    return None if others is None or ballot.winner is None else ballot.winner is others
