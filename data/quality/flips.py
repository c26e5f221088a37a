"""How often a vote is flipped, from votes alone. Knows nothing of tables or trainers, and imports nothing heavy."""

import math
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from data.records import Choice
from data.selection import Vote

FEWEST_VOTE_PAIRS = 30
"""Below this, agreement is known to no better than about 0.09, and a flip rate from it is mostly chance."""

LARGEST_FLIP_RATE = 0.49
"""What is reported where people agree no more than coins do: the losses that use the rate need it below one half."""


def vote_pairs(votes: Iterable[Vote]) -> tuple[int, int]:
    """Pairs of votes for a or b by two people on one pair of answers: how many agree, and how many there are."""
    agreeing = total = 0
    decisive = sorted((vote for vote in votes if vote.choice.decisive), key=attrgetter("pair_id"))
    for _, group in groupby(decisive, key=attrgetter("pair_id")):
        on_pair = list(group)
        for_a = sum(vote.choice is Choice.A for vote in on_pair)
        agreeing += math.comb(for_a, 2) + math.comb(len(on_pair) - for_a, 2)
        total += math.comb(len(on_pair), 2)
    return agreeing, total


def flip_rate(votes: Iterable[Vote]) -> float | None:
    """How often a vote is flipped; None when fewer than FEWEST_VOTE_PAIRS pairs of votes say so.

    Two who each flip with probability e, independently, agree with probability A = 1 - 2e(1 - e), so
    e = (1 - sqrt(2A - 1)) / 2. At most LARGEST_FLIP_RATE, also where A is a half or less and no e fits.
    """
    agreeing, total = vote_pairs(votes)
    if total < FEWEST_VOTE_PAIRS:
        return None
    beyond_chance = max(0.0, 2 * agreeing / total - 1)
    return min(LARGEST_FLIP_RATE, (1 - math.sqrt(beyond_chance)) / 2)
