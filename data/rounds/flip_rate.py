"""Estimate how often a vote is flipped, from agreement alone. Imports nothing heavy."""

import math

import numpy as np

from data.rounds.vote_table import A, B, VoteTable, starts_of
from data.support.arrays import Counts

FEWEST_VOTE_PAIRS = 30
"""Below this, agreement is known to no better than about 0.09, and a flip rate from it is mostly chance."""

LARGEST_FLIP_RATE = 0.49
"""The rate where agreement is at chance level or below: the losses that use it need a rate below one half."""


def vote_pairs(votes: VoteTable) -> tuple[int, int]:
    """Count the pairs of votes for a or b by two people on one pair of answers: how many agree, and all of them."""
    decisive = (votes.choice == A) | (votes.choice == B)
    pair, is_a = votes.pair[decisive], votes.choice[decisive] == A
    if not len(pair):
        return 0, 0
    starts = starts_of(pair)
    size = np.diff(np.append(starts, len(pair)))
    for_a = np.add.reduceat(is_a.astype(np.int64), starts)
    agreeing = _couples(for_a) + _couples(size - for_a)
    return agreeing, _couples(size)


def flip_rate(votes: VoteTable) -> float | None:
    """Return how often a vote is flipped; None with fewer than FEWEST_VOTE_PAIRS pairs of votes.

    Two people who each flip with probability e, independently, agree with probability A = 1 - 2e(1 - e), so
    e = (1 - sqrt(2A - 1)) / 2. At most LARGEST_FLIP_RATE, also where A is one half or less and no e fits.
    """
    agreeing, total = vote_pairs(votes)
    if total < FEWEST_VOTE_PAIRS:
        return None
    beyond_chance = max(0.0, 2 * agreeing / total - 1)
    return min(LARGEST_FLIP_RATE, (1 - math.sqrt(beyond_chance)) / 2)


def _couples(people: Counts) -> int:
    """Return the number of pairs within groups of these sizes, summed."""
    return int((people * (people - 1) // 2).sum())
