"""Which answer wins by all votes, weighted by how reliable each voter is.

The model is that of A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM
algorithm", Appl. Stat. 28 (1979), with one parameter per person (the "one-coin" form): the probability that a vote
goes to the answer that is truly better. Which of two answers is called a is arbitrary, so errors have no direction,
and both answers are equally likely to be the better one beforehand. For the same reason a vote for neither is equally
likely whichever is better, and is left out. The expected choices of gold items are held fixed.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts come when they are used: most commands must not wait for them

from data.quality.vote import QualityVote
from data.quality.vote_table import CHOICES, UNKNOWN, A, B, FirstVotes, QualityVoteTable, by_item, table_of, words_of
from data.records import Choice
from data.support.arrays import Bools, Codes, Counts, Floats, Ints

SUPPOSED_RIGHT, SUPPOSED_WRONG = 3, 1
"""Pseudo-votes, right and wrong, of everybody before the first vote: a Beta(4, 2) prior. People mostly try."""

_SETTLED = 1e-7
_MOST_STEPS = 2000
_EVEN = 1e-9
"""Log odds below this count as zero: neither answer is ahead."""


@dataclass(frozen=True, slots=True)
class _Votes:
    """Weighted votes by item: the gold answer (1 for a, 0 for b, else nan), the sum of log odds, and the count.

    items: sorted ids, (items,), and so are known, log_odds and counts; people: sorted ids. key, weight: of each vote,
    (votes,), sorted by key, which is made of the indices of the vote's item and its voter.
    """

    items: Ints
    known: Floats
    log_odds: Floats
    counts: Counts
    people: Ints
    key: Counts
    weight: Floats

    def others(self, quality_votes: QualityVoteTable) -> Floats:
        """Return what Consensus.others does for each vote, nan for None."""
        if not len(self.items):
            return np.full(len(quality_votes), np.nan)
        item, has_item = _found(self.items, quality_votes.item)
        person, has_person = _found(self.people, quality_votes.annotator)
        vote, has_vote = _found(self.key, item * len(self.people) + person)
        own = has_item & has_person & has_vote
        log_odds = self.log_odds[item] - np.where(own, self.weight[vote], 0.0)
        log_odds[np.abs(log_odds) < _EVEN] = 0.0  # rounding: evenly split votes do not sum to exactly 0
        voted = has_item & (self.counts[item] > own)
        known = np.where(has_item, self.known[item], np.nan)
        return np.where(np.isnan(known), np.where(voted, scipy.special.expit(log_odds), np.nan), known)


@dataclass(frozen=True, slots=True)
class Consensus:
    """The result of all votes together.

    reliability: by annotator id, how often they vote for the better answer, in 0-1. margins: by annotator id, the log
    odds that they and those who share items with them are not all mirrored (every right vote a wrong one): agreement
    alone cannot tell that, only gold items and the prior that most people try.
    """

    reliability: Mapping[int, float]
    margins: Mapping[int, float]
    _votes: _Votes

    def others(self, ballot: QualityVote) -> float | None:
        """Return the probability that a wins, by gold or else by all votes but this person's; None without any."""
        return _number(self._votes.others(table_of([ballot])))

    def support(self, ballot: QualityVote) -> float | None:
        """Return the probability, by gold or the others' votes, that this vote's answer wins; None without either."""
        return _number(self.supports(table_of([ballot])))

    def winner(self, ballot: QualityVote) -> Choice | None:
        """Return what wins by gold or the others' votes; None without either, or if they are evenly split."""
        [code] = self.winners(table_of([ballot])).tolist()
        return None if code == UNKNOWN else CHOICES[code]

    def supports(self, quality_votes: QualityVoteTable) -> Floats:
        """Return `support` of each vote, (votes,); nan for None."""
        for_a = self._votes.others(quality_votes)
        return np.where(quality_votes.choice == A, for_a, np.where(quality_votes.choice == B, 1 - for_a, np.nan))

    def winners(self, quality_votes: QualityVoteTable) -> Codes:
        """Return `winner` of each vote, (votes,); UNKNOWN for None."""
        for_a = self._votes.others(quality_votes)
        return np.where(for_a > 0.5, A, np.where(for_a < 0.5, B, UNKNOWN)).astype(np.int8)


def consensus(words: Iterable[QualityVote] | FirstVotes) -> Consensus:
    """Compute the consensus of people's first votes, at most one of each person on each item."""
    said = words if isinstance(words, FirstVotes) else words_of(words)
    votes = (said.choice == A) | (said.choice == B)
    people, person = np.unique(said.annotator[votes], return_inverse=True)
    items, item = by_item(said.item[votes])
    known, expected = np.full(len(items), np.nan), said.gold[votes]
    gold = (expected == A) | (expected == B)
    known[item[gold]] = expected[gold] == A
    for_a = said.choice[votes] == A
    rates = _fit(_told(person, item, for_a, known, len(people)))
    weight = np.where(for_a, 1.0, -1.0) * scipy.special.logit(rates)[person]
    key = item * len(people) + person
    order = np.argsort(key)
    weighed = _Votes(
        items,
        known,
        np.bincount(item, weight, minlength=len(items)).astype(np.float64),
        np.bincount(item, minlength=len(items)),
        people,
        key[order],
        weight[order],
    )
    del key, order
    margins = _margins(person, item, for_a, known, rates)
    return Consensus(_by_id(people, rates), _by_id(people, margins), weighed)


def _margins(person: Counts, item: Counts, for_a: Bools, known: Floats, rates: Floats) -> Floats:
    """Return each person's margin. Mirrored, a rate is 1 - rate; only the prior and gold votes tell the two apart."""
    right = np.where(known[item] == for_a, 1.0, -1.0)
    balance = (
        SUPPOSED_RIGHT
        - SUPPOSED_WRONG
        + np.bincount(person, np.where(np.isnan(known[item]), 0.0, right), minlength=len(rates))
    )
    votes = scipy.sparse.csr_array((np.ones(len(person)), (person, item)), shape=(len(rates), len(known)))
    met = (votes @ votes.T).astype(np.bool_)
    return np.asarray(met @ (balance * scipy.special.logit(rates)), np.float64)


def _by_id(people: npt.NDArray[np.int32], values: Floats) -> dict[int, float]:
    return dict(zip(people.tolist(), values.tolist(), strict=True))


def _found(known: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> tuple[Counts, Bools]:
    """Return the index of each wanted value in a sorted array, and whether it is there at all."""
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return at, known[at] == wanted


def _number(values: Floats) -> float | None:
    [value] = values.tolist()
    return None if math.isnan(value) else value


@dataclass(frozen=True, slots=True)
class _VoteArrays:
    """Votes as arrays: person and item, (votes,), are indices; for_a, (votes,), is 1 or 0.

    known: (items,), 1 or 0 where gold, else nan. people: how many there are.
    """

    person: Counts
    item: Counts
    for_a: Floats
    known: Floats
    people: int


def _told(person: Counts, item: Counts, for_a: Bools, known: Floats, people: int) -> _VoteArrays:
    """Keep the votes that say something about a voter: a vote alone on an item is equally likely at any reliability."""
    tells = (np.bincount(item, minlength=len(known))[item] > 1) | ~np.isnan(known[item])
    items, places = np.unique(item[tells], return_inverse=True)
    return _VoteArrays(person[tells], places.astype(np.int64), for_a[tells].astype(np.float64), known[items], people)


def _fit(table: _VoteArrays) -> Floats:
    """Return reliabilities, (people,): the better of the two maxima that EM finds from the majority and from gold."""
    votes = np.maximum(1, np.bincount(table.item, minlength=len(table.known)))
    majority = np.bincount(table.item, table.for_a, minlength=len(table.known)) / votes
    starts = (majority, np.full(len(table.known), 0.5))
    fits = [_climb(table, np.where(np.isnan(table.known), start, table.known)) for start in starts]
    return max(fits, key=lambda rates: _log_posterior(table, rates))


def _climb(table: _VoteArrays, wins: Floats) -> Floats:
    """Run EM from wins, (items,), the probability that a wins; return reliabilities, (people,)."""
    rates = _rates(table, wins)
    for _ in range(_MOST_STEPS):
        for_a, for_b = _log_likelihoods(table, rates)
        wins = np.where(np.isnan(table.known), scipy.special.expit(for_a - for_b), table.known)
        before, rates = rates, _rates(table, wins)
        if np.abs(rates - before).max(initial=0.0) < _SETTLED:
            break
    return rates


def _rates(table: _VoteArrays, wins: Floats) -> Floats:
    expected = wins[table.item]
    right = np.where(table.for_a == 1, expected, 1 - expected)
    hits = np.bincount(table.person, right, minlength=table.people)
    counts = np.bincount(table.person, minlength=table.people)
    return np.asarray((hits + SUPPOSED_RIGHT) / (counts + SUPPOSED_RIGHT + SUPPOSED_WRONG))


def _log_likelihoods(table: _VoteArrays, rates: Floats) -> tuple[Floats, Floats]:
    """Return the log likelihood of the votes on each item, (items,), if a is better and if b is."""
    right, wrong = np.log(rates)[table.person], np.log1p(-rates)[table.person]
    if_a, if_b = (np.where(table.for_a == side, right, wrong) for side in (1, 0))
    return _summed(table, if_a), _summed(table, if_b)


def _summed(table: _VoteArrays, votes: Floats) -> Floats:
    return np.bincount(table.item, votes, minlength=len(table.known)).astype(np.float64)


def _log_posterior(table: _VoteArrays, rates: Floats) -> float:
    for_a, for_b = _log_likelihoods(table, rates)
    open_items = np.logaddexp(for_a, for_b) - np.log(2)
    items = np.where(np.isnan(table.known), open_items, np.where(table.known == 1, for_a, for_b))
    prior = SUPPOSED_RIGHT * np.log(rates) + SUPPOSED_WRONG * np.log1p(-rates)
    return float(items.sum() + prior.sum())
