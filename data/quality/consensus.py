"""Which answer wins by everybody's votes, weighted by how reliable each voter is. Knows nothing of intervals.

The model is that of A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM
algorithm", Appl. Stat. 28 (1979), with one parameter a person (their "one-coin" form): the probability that the vote
goes to the answer that is truly better. Which of two answers is called a is an accident, so errors have no direction,
and both are as likely to be better beforehand. For the same reason a vote for neither is as likely whichever is
better, and is left out. What is known of gold items is held fast.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from data.quality.ballot import Ballot
from data.records import Choice

SUPPOSED_RIGHT, SUPPOSED_WRONG = 3, 1
"""Votes that everybody is supposed to have cast before the first: a Beta(4, 2) prior. People mostly try."""

_SETTLED = 1e-7
_MOST_STEPS = 2000
_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the votes say together.

    reliability: by annotator id, how often he votes for the better answer, in 0-1. margins: by annotator id, the log
    odds that he and those who share items with him are the right way round and not all mirrored (every right vote a
    wrong one): agreement alone cannot tell, only gold items and the trust that most people try.
    """

    reliability: Mapping[int, float]
    margins: Mapping[int, float]
    _gold: Mapping[int, Choice]
    _votes: Mapping[int, Mapping[int, float]]

    def others(self, ballot: Ballot) -> float | None:
        """The probability that a wins, by the gold answer or else all votes but this person's; None without any."""
        if ballot.item_id in self._gold:
            return float(self._gold[ballot.item_id] is Choice.A)
        votes = self._votes.get(ballot.item_id, {})
        log_odds = [vote for annotator_id, vote in votes.items() if annotator_id != ballot.annotator_id]
        return float(expit(sum(log_odds))) if log_odds else None

    def support(self, ballot: Ballot) -> float | None:
        """The probability, by gold or the others, that the answer this ballot votes for wins; None without either."""
        for_a = self.others(ballot)
        if for_a is None or ballot.winner is None:
            return None
        return for_a if ballot.winner is Choice.A else 1 - for_a

    def winner(self, ballot: Ballot) -> Choice | None:
        """What wins by gold or the others' votes; None without either, or if they are evenly split."""
        for_a = self.others(ballot)
        if for_a is None or for_a == 0.5:
            return None
        return Choice.A if for_a > 0.5 else Choice.B


def consensus(words: Iterable[Ballot]) -> Consensus:
    """The consensus of people's first words, at most one of each person on each item."""
    votes = [ballot for ballot in words if ballot.winner is not None]
    people = list(dict.fromkeys(vote.annotator_id for vote in votes))
    gold = {vote.item_id: vote.gold for vote in votes if vote.gold is not None and vote.gold.decisive}
    rates = dict(zip(people, (float(rate) for rate in _fit(_table(votes, people, gold))), strict=True))
    log_odds: dict[int, dict[int, float]] = defaultdict(dict)
    for vote in votes:
        weight = float(logit(rates[vote.annotator_id]))
        log_odds[vote.item_id][vote.annotator_id] = weight if vote.winner is Choice.A else -weight
    return Consensus(rates, _margins(votes, rates, gold), gold, log_odds)


def _margins(votes: Iterable[Ballot], rates: Mapping[int, float], gold: Mapping[int, Choice]) -> dict[int, float]:
    """By annotator id; mirrored, a rate is 1 - rate, which the prior and gold votes tell apart and nothing else."""
    met: dict[int, set[int]] = defaultdict(set)
    balance = Counter(dict.fromkeys(rates, SUPPOSED_RIGHT - SUPPOSED_WRONG))
    for vote in votes:
        met[vote.item_id].add(vote.annotator_id)
        if vote.item_id in gold:
            balance[vote.annotator_id] += 1 if vote.winner is gold[vote.item_id] else -1
    around: dict[int, set[int]] = {annotator_id: {annotator_id} for annotator_id in rates}
    for together in {frozenset(group) for group in met.values()}:
        for annotator_id in together:
            around[annotator_id] |= together
    return {
        annotator_id: sum(balance[other] * float(logit(rates[other])) for other in near)
        for annotator_id, near in around.items()
    }


@dataclass(frozen=True, slots=True)
class _Table:
    """Votes as arrays: person and item, (votes,), number both; for_a, (votes,), is 1 or 0.

    known: (items,), 1 or 0 where gold, else nan. people: how many there are.
    """

    person: _Ints
    item: _Ints
    for_a: _Floats
    known: _Floats
    people: int


def _table(votes: Sequence[Ballot], people: Sequence[int], gold: Mapping[int, Choice]) -> _Table:
    """The votes that say something of a person: a vote alone on an item is as likely whatever his reliability."""
    counts = Counter(vote.item_id for vote in votes)
    told = [vote for vote in votes if counts[vote.item_id] > 1 or vote.item_id in gold]
    person_at = {annotator_id: index for index, annotator_id in enumerate(people)}
    items = list(dict.fromkeys(vote.item_id for vote in told))
    item_at = {item_id: index for index, item_id in enumerate(items)}
    return _Table(
        person=np.array([person_at[vote.annotator_id] for vote in told], dtype=np.int64),
        item=np.array([item_at[vote.item_id] for vote in told], dtype=np.int64),
        for_a=np.array([vote.winner is Choice.A for vote in told], dtype=np.float64),
        known=np.array([float(gold[item] is Choice.A) if item in gold else np.nan for item in items]),
        people=len(people),
    )


def _fit(table: _Table) -> _Floats:
    """Reliabilities, (people,). EM finds a near maximum: of two starts, majority and gold alone, the better one."""
    votes = np.maximum(1, np.bincount(table.item, minlength=len(table.known)))
    majority = np.bincount(table.item, table.for_a, minlength=len(table.known)) / votes
    starts = (majority, np.full(len(table.known), 0.5))
    fits = [_climb(table, np.where(np.isnan(table.known), start, table.known)) for start in starts]
    return max(fits, key=lambda rates: _log_posterior(table, rates))


def _climb(table: _Table, wins: _Floats) -> _Floats:
    """EM from wins, (items,), the probability that a wins; to reliabilities, (people,)."""
    rates = _rates(table, wins)
    for _ in range(_MOST_STEPS):
        for_a, for_b = _log_likelihoods(table, rates)
        wins = np.where(np.isnan(table.known), expit(for_a - for_b), table.known)
        before, rates = rates, _rates(table, wins)
        if np.abs(rates - before).max(initial=0.0) < _SETTLED:
            break
    return rates


def _rates(table: _Table, wins: _Floats) -> _Floats:
    expected = wins[table.item]
    right = np.where(table.for_a == 1, expected, 1 - expected)
    hits = np.bincount(table.person, right, minlength=table.people)
    counts = np.bincount(table.person, minlength=table.people)
    return np.asarray((hits + SUPPOSED_RIGHT) / (counts + SUPPOSED_RIGHT + SUPPOSED_WRONG))


def _log_likelihoods(table: _Table, rates: _Floats) -> tuple[_Floats, _Floats]:
    """Of the votes on each item, (items,), if a is better and if b is."""
    right, wrong = np.log(rates)[table.person], np.log1p(-rates)[table.person]
    if_a, if_b = (np.where(table.for_a == side, right, wrong) for side in (1, 0))
    return _summed(table, if_a), _summed(table, if_b)


def _summed(table: _Table, votes: _Floats) -> _Floats:
    return np.bincount(table.item, votes, minlength=len(table.known)).astype(np.float64)


def _log_posterior(table: _Table, rates: _Floats) -> float:
    for_a, for_b = _log_likelihoods(table, rates)
    open_items = np.logaddexp(for_a, for_b) - np.log(2)
    items = np.where(np.isnan(table.known), open_items, np.where(table.known == 1, for_a, for_b))
    prior = SUPPOSED_RIGHT * np.log(rates) + SUPPOSED_WRONG * np.log1p(-rates)
    return float(items.sum() + prior.sum())
