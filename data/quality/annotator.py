"""All quality measures of one annotator. Which of them stand out is decided in findings.py."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from data.quality.agreement import cohen
from data.quality.bias import LengthBias, length_bias, longer_wins, position_bias
from data.quality.consensus import Consensus
from data.quality.consistency import gold_accuracy, median_seconds, repeats, too_fast
from data.quality.reliability import Reliability, reliability
from data.quality.share import Share, share_of
from data.quality.vote import QualityVote
from data.quality.vote_table import CHOICES, UNKNOWN, QualityVoteTable, first_words, in_order, table_of
from data.records import Choice
from data.support.arrays import Codes

STRETCH = 20
"""The judgments per point of an annotator's course over time, at least; the last point may have fewer."""

MOST_STRETCHES = 100
"""The most points of a course: more cannot be told apart in a chart."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some consecutive judgments of one annotator. Times in ms since the Unix epoch.

    agreement: with the consensus of the others. left: how often the left side wins. seconds: the median.
    """

    begun_at: int
    ended_at: int
    judgments: int
    agreement: Share | None
    left: Share | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class AnnotatorQuality:
    """What one annotator's votes show; None for what they do not show.

    choices: how often each was made. left, longer: how often the left and the longer answer wins, where one does.
    undecided: how often neither wins. length: the length bias. reliability: how often the better answer is voted
    for. margin: see Consensus.margins. agreement: with the consensus of the others, where both name a winner; kappa:
    Cohen's, of the same. repeats: how often a re-ask gets the same answer. gold: how often the expected choice is made.
    seconds: the median. pace: see consistency.paces. too_fast: how often both answers cannot have been read. course:
    over time.
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
    annotator_id: int, quality_votes: Iterable[QualityVote], agreed: Consensus, pace: float | None
) -> AnnotatorQuality:
    """Measure one annotator's own votes, given the consensus of all and their pace."""
    own = table_of(quality_votes)
    words, said = first_words(own), in_order(own)
    others = agreed.winners(words)
    both = words.decisive & (others != UNKNOWN)
    counts = np.bincount(own.choice, minlength=len(CHOICES)).tolist()
    return AnnotatorQuality(
        annotator_id=annotator_id,
        judgments=len(own),
        choices={choice: count for choice, count in zip(CHOICES, counts, strict=True) if count},
        left=position_bias(said),
        longer=longer_wins(said),
        undecided=share_of(~said.decisive),
        length=length_bias(said),
        reliability=reliability(agreed.supports(words)),
        margin=agreed.margins.get(annotator_id, 0.0),
        agreement=share_of(words.choice[both] == others[both]),
        kappa=cohen(np.column_stack([words.choice[both], others[both]])),
        repeats=repeats(said),
        gold=gold_accuracy(said),
        seconds=median_seconds(said),
        pace=pace,
        too_fast=too_fast(said),
        course=tuple(_course(said, agreed.winners(said))),
    )


def _course(said: QualityVoteTable, others: Codes) -> Iterator[Stretch]:
    size = max(STRETCH, math.ceil(len(said) / MOST_STRETCHES))
    for start in range(0, len(said), size):
        some, theirs = said.taken(slice(start, start + size)), others[start : start + size]
        both = some.decisive & (theirs != UNKNOWN)
        yield Stretch(
            begun_at=int(some.created_at[0]),
            ended_at=int(some.created_at[-1]),
            judgments=len(some),
            agreement=share_of(some.choice[both] == theirs[both]),
            left=position_bias(some),
            seconds=median_seconds(some),
        )
