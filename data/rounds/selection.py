"""Select the judgments that a round uses, by one rule. Pure functions; votes.py reads the input.

Votes count if they are a, b or "both bad" and are not barred (annotator in quarantine, pair flagged or never meant to
train, see data/barring). A pair on which more than half of these say "both bad" has no winner: its two answers are
rated bad. Any other pair goes to the majority of its votes for a or b; an even split decides nothing. The prompt's
split says whether a decision trains or is held out; bad pairs only ever train, since nothing is measured on ratings. Of
pairs with the same prompt and the same two answers the one judged last counts: training on one comparison twice would
double its weight. SelectionRules can leave out more.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.records import Choice, Split
from data.rounds.selection_rules import TAKE_ALL, SelectionRules
from data.rounds.vote_table import BOTH_BAD, CHOICES, A, B, Vote, VoteTable, starts_of
from data.support.arrays import Bools, Floats, Indices, Ints
from data.support.digests import canonical, sha256

SPLIT_VOTE = "split"
STRENGTH_UNSAID = 1
"""The strength of a vote that gives none."""
_DRAWS = 2**32
_AT_A_TIME = 5_000


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """A pair with a winner, by all votes that named one.

    strength is the mean of the winning votes (1-3), agreement their share of all these votes.
    """

    pair_id: int
    winner: Choice
    strength: float
    judgment_ids: tuple[int, ...]
    split: Split
    agreement: float = 1.0


@dataclass(frozen=True, slots=True)
class BadPair:
    """A pair of the training split whose answers are both bad, by all votes that counted."""

    pair_id: int
    judgment_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """The outcomes of pairs, (pairs,) each, by pair id: `bad` for two bad answers, else `for_a` tells the winner.

    start, end: the range of the pair's judgments in `judgment`, (used judgments,), which is in the order of pairs.
    """

    pair: Ints
    for_a: Bools
    bad: Bools
    heldout: Bools
    strength: Floats
    agreement: Floats
    start: Indices
    end: Indices
    judgment: Ints

    def taken(self, which: Bools) -> "_Outcomes":
        """Return some of the outcomes."""
        return _Outcomes(
            self.pair[which],
            self.for_a[which],
            self.bad[which],
            self.heldout[which],
            self.strength[which],
            self.agreement[which],
            self.start[which],
            self.end[which],
            self.judgment,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The result of selecting: decisions and bad pairs by pair id, and the number of votes left out, by reason.

    Reasons: why a vote is barred, its choice if that cannot count, "split" for a vote on an evenly split pair, or why
    the rules leave its pair out: "older", "disputed", "weak", "duplicate". Pairs are kept as columns: as objects,
    hundreds of thousands of them would fill the memory even of callers that only count.
    """

    _outcomes: _Outcomes
    excluded: dict[str, int]

    def __eq__(self, other: object) -> bool:
        """Return whether both selected the same, and left out as many for the same reasons."""
        return isinstance(other, Selection) and (self.sha256, self.excluded) == (other.sha256, other.excluded)

    __hash__ = None  # type: ignore[assignment]

    @property
    def decisions(self) -> tuple[PairOutcome, ...]:
        """The pairs with a winner."""
        return tuple(self._decisions(self._outcomes.taken(~self._outcomes.bad)))

    @property
    def both_bad(self) -> tuple[BadPair, ...]:
        """The training pairs whose answers are both bad."""
        return tuple(self._bad_pairs())

    def of(self, split: Split) -> tuple[PairOutcome, ...]:
        """Return the decisions of one split."""
        return tuple(self._decisions(self._outcomes.taken(self._decided(split))))

    def count(self, split: Split) -> int:
        """Count the decisions of one split."""
        return int(self._decided(split).sum())

    @property
    def bad_pairs(self) -> int:
        """The number of pairs with two bad answers."""
        return int(self._outcomes.bad.sum())

    @property
    def judgments(self) -> int:
        """The number of judgments used."""
        return int((self._outcomes.end - self._outcomes.start).sum())

    def used(self) -> Iterator[tuple[int, Split]]:
        """Yield every judgment that is used, with its split."""
        found = self._outcomes
        for at, heldout in enumerate(found.heldout.tolist()):
            role = Split.HELDOUT if heldout else Split.TRAIN
            yield from ((number, role) for number in found.judgment[found.start[at] : found.end[at]].tolist())

    @property
    def sha256(self) -> str:
        """The digest of the selection; equal for the same pairs, winners, splits and judgments."""
        digest = hashlib.sha256()
        for text in self._written():
            digest.update(text.encode("utf-8"))
        return digest.hexdigest()

    def _written(self) -> Iterator[str]:
        """Yield canonical JSON: {"decided": [pair, winner, split, *judgments], "both_bad": [pair, *judgments]}."""
        yield '{"both_bad":['
        yield from _joined([bad.pair_id, *bad.judgment_ids] for bad in self._bad_pairs())
        yield '],"decided":['
        yield from _joined(
            [one.pair_id, one.winner.value, one.split.value, *one.judgment_ids]
            for one in self._decisions(self._outcomes.taken(~self._outcomes.bad))
        )
        yield "]}"

    def _decided(self, split: Split) -> Bools:
        return np.asarray(~self._outcomes.bad & (self._outcomes.heldout == (split is Split.HELDOUT)))

    def _bad_pairs(self) -> Iterator[BadPair]:
        found = self._outcomes.taken(self._outcomes.bad)
        for pair, start, end in zip(found.pair.tolist(), found.start.tolist(), found.end.tolist(), strict=True):
            yield BadPair(pair, tuple(found.judgment[start:end].tolist()))

    def _decisions(self, found: _Outcomes) -> Iterator[PairOutcome]:
        columns = (found.pair, found.for_a, found.strength, found.start, found.end, found.heldout, found.agreement)
        for some in range(0, len(found.pair), _AT_A_TIME):
            rows = zip(*(column[some : some + _AT_A_TIME].tolist() for column in columns), strict=True)
            for pair, for_a, strength, start, end, heldout, agreement in rows:
                winner, split = Choice.A if for_a else Choice.B, Split.HELDOUT if heldout else Split.TRAIN
                ids = tuple(found.judgment[start:end].tolist())
                yield PairOutcome(pair, winner, strength, ids, split, agreement)


def select(votes: Iterable[Vote] | VoteTable, rules: SelectionRules = TAKE_ALL, *, since: int = 0) -> Selection:
    """Apply the rule. Every vote is in exactly one decision or bad pair, or counted as excluded.

    A person has at most one vote on a pair. A vote without a strength counts as the weakest. since: the newest judgment
    that was there when the last round with a version was frozen.
    """
    table = votes if isinstance(votes, VoteTable) else VoteTable.of(votes)
    excluded = dict(zip(table.reasons, np.bincount(table.barred, minlength=1)[1:].tolist(), strict=True))
    counting = table.counting
    outcomes, unused = _outcomes(counting)
    left_out = _left_out(outcomes, rules, since)
    same_as = _same_as(counting, outcomes)
    for reason, which in left_out.items():
        excluded[reason] = int((outcomes.end - outcomes.start)[which].sum())
    out = np.any(np.array(list(left_out.values())), axis=0)
    kept, same_as = outcomes.taken(~out), same_as[~out]
    newest = _is_newest(kept, same_as)
    excluded["duplicate"] = int((kept.end - kept.start)[~newest].sum())
    for reason, count in unused.items():
        excluded[reason] = excluded.get(reason, 0) + count
    return Selection(kept.taken(newest), {reason: count for reason, count in sorted(excluded.items()) if count})


def _outcomes(votes: VoteTable) -> tuple[_Outcomes, dict[str, int]]:
    """Return the outcomes of pairs from the votes that count, and the number of unused votes, by choice."""
    starts = starts_of(votes.pair)
    sizes = np.diff(np.append(starts, len(votes.pair)))
    heldout = votes.heldout[starts]
    a, b, bad = (votes.choice == code for code in (A, B, BOTH_BAD))
    for_a, for_b, for_bad = (_summed(which, starts) for which in (a, b, bad))
    is_bad = for_bad > for_a + for_b
    comes_to = np.where(is_bad, ~heldout, for_a != for_b)
    used = np.repeat(comes_to, sizes) & (a | b | (bad & np.repeat(is_bad, sizes)))
    wins = np.where(np.repeat(for_a > for_b, sizes), a, b)
    strengths = _summed(np.where(wins, np.maximum(votes.strength, STRENGTH_UNSAID), 0), starts)
    winning = np.maximum(for_a, for_b)
    ends = np.cumsum(_summed(used, starts), dtype=np.intp)
    found = _Outcomes(
        votes.pair[starts],
        for_a > for_b,
        is_bad,
        heldout,
        strengths / np.maximum(winning, 1),
        winning / np.maximum(for_a + for_b, 1),
        np.concatenate(([0], ends[:-1])).astype(np.intp),
        ends,
        votes.judgment[used],
    )
    return found.taken(comes_to), _in_vain(votes.choice[~used])


def _in_vain(choices: npt.NDArray[np.int8]) -> dict[str, int]:
    """Count the votes that were not used, by choice."""
    counts = np.bincount(choices, minlength=len(CHOICES)).tolist()
    said = {choice.value: count for choice, count in zip(CHOICES, counts, strict=True) if not choice.decisive}
    return {SPLIT_VOTE: counts[A] + counts[B], **said}


def _left_out(found: _Outcomes, rules: SelectionRules, since: int) -> dict[str, Bools]:
    """Return which pairs the rules leave out, by reason; each pair has one reason."""
    disputed = ~found.bad & (found.agreement < rules.agreement)
    weak = ~disputed & ~found.bad & (found.strength < rules.least_strength)
    older = np.zeros(len(found.pair), np.bool_)
    if rules.since_last:
        measures = ~found.bad & found.heldout
        older = ~disputed & ~weak & ~measures & (_newest(found) <= since)
        at = np.flatnonzero(older)
        older[at] = [not _drawn(pair, rules.replay) for pair in found.pair[at].tolist()]
    return {"disputed": disputed, "weak": weak, "older": older}


def _drawn(pair_id: int, share: float) -> bool:
    """Return whether a pair is in a share of all, by hash; a smaller share's pairs are all in a larger one."""
    return int(sha256(str(pair_id))[:8], 16) < share * _DRAWS


def _newest(found: _Outcomes) -> Ints:
    """Return each pair's newest used judgment; judgments are sorted."""
    return found.judgment[found.end - 1] if len(found.pair) else np.zeros(0, np.int32)


def _same_as(votes: VoteTable, found: _Outcomes) -> Ints:
    """Return each pair's Vote.same_as."""
    return votes.same_as[np.searchsorted(votes.pair, found.pair)] if len(found.pair) else np.zeros(0, np.int32)


def _is_newest(found: _Outcomes, same_as: Ints) -> Bools:
    """Return whether each pair is the one judged last, of those that compare the same answers."""
    is_newest = np.ones(len(found.pair), np.bool_)
    order = np.lexsort((_newest(found), same_as))
    is_newest[order[:-1]] = same_as[order][1:] != same_as[order][:-1]
    return is_newest


def _summed(values: npt.NDArray[Any], starts: Indices) -> npt.NDArray[np.int32]:
    """Return the sum of each run of values."""
    return np.add.reduceat(values, starts, dtype=np.int32) if len(starts) else np.zeros(0, np.int32)


def _joined(lists: Iterable[list[object]]) -> Iterator[str]:
    """Yield lists as JSON, separated by commas, in chunks."""
    some: list[str] = []
    for number, one in enumerate(lists):
        some.append(canonical(one) if number == 0 else f",{canonical(one)}")
        if len(some) == _AT_A_TIME:
            yield "".join(some)
            some.clear()
    yield "".join(some)
