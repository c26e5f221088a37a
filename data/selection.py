"""Which judgments a round uses: one rule, a pure function. Knows nothing of tables or trainers.

Votes that count are a, b and "both bad", unless they are barred: of an annotator in quarantine, on a pair that
somebody flagged, or that was never meant to train. A pair of which more than half of these say "both bad" has no
winner: its two answers are rated bad. Any other pair goes to the majority of its votes for a or b; an even split
decides nothing. The prompt's split says whether a decision trains or is held out; a bad pair only ever trains, since
nothing is measured on ratings.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from data.records import Choice, Split

SPLIT_VOTE = "split"
_STRENGTH_UNSAID = 1


@dataclass(frozen=True, slots=True)
class Vote:
    """A current judgment, as far as the rule looks at it; choice is in the pair's own a and b.

    barred: why it may not count, whatever it says; None if it may.
    """

    judgment_id: int
    pair_id: int
    choice: Choice
    strength: int | None
    split: Split
    barred: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A pair with a winner, by all votes that named one; strength is the winning votes' mean (1-3)."""

    pair_id: int
    winner: Choice
    strength: float
    judgment_ids: tuple[int, ...]
    split: Split


@dataclass(frozen=True, slots=True)
class BadPair:
    """A pair of the training split whose answers are both bad, by all votes that counted."""

    pair_id: int
    judgment_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What the rule made of some votes: decisions and bad pairs by pair id, and votes left out by reason.

    The reason is why the vote is barred, what it says, or "split" for one that named a winner in vain.
    """

    decisions: tuple[Decision, ...]
    both_bad: tuple[BadPair, ...]
    excluded: dict[str, int]

    def of(self, split: Split) -> tuple[Decision, ...]:
        """The decisions of one split."""
        return tuple(decision for decision in self.decisions if decision.split is split)


def select(votes: Iterable[Vote]) -> Selection:
    """Apply the rule. Every vote is in exactly one decision or bad pair, or counted as excluded.

    Votes are on one pair at most once per person. A vote without a strength counts as the weakest.
    """
    votes = list(votes)
    excluded = Counter(vote.barred for vote in votes if vote.barred)
    decisions, both_bad = [], []
    by_pair = sorted((vote for vote in votes if not vote.barred), key=attrgetter("pair_id", "judgment_id"))
    for _, group in groupby(by_pair, key=attrgetter("pair_id")):
        on_pair = list(group)
        outcome = _outcome(on_pair)
        if isinstance(outcome, Decision):
            decisions.append(outcome)
        elif outcome is not None:
            both_bad.append(outcome)
        used = outcome.judgment_ids if outcome else ()
        excluded.update(_reason(vote) for vote in on_pair if vote.judgment_id not in used)
    return Selection(tuple(decisions), tuple(both_bad), dict(sorted(excluded.items())))


def _outcome(votes: Sequence[Vote]) -> Decision | BadPair | None:
    """What the votes on one pair come to."""
    decisive = [vote for vote in votes if vote.choice.decisive]
    bad = [vote for vote in votes if vote.choice is Choice.BOTH_BAD]
    if len(bad) <= len(decisive):
        return _decided(decisive)
    if votes[0].split is not Split.TRAIN:
        return None
    counting = sorted(vote.judgment_id for vote in (*decisive, *bad))
    return BadPair(votes[0].pair_id, tuple(counting))


def _decided(votes: Sequence[Vote]) -> Decision | None:
    """The majority of decisive votes on one pair, None if there is none."""
    for_a = sum(vote.choice is Choice.A for vote in votes)
    if 2 * for_a == len(votes):
        return None
    winner = Choice.A if 2 * for_a > len(votes) else Choice.B
    strengths = [vote.strength or _STRENGTH_UNSAID for vote in votes if vote.choice is winner]
    return Decision(
        pair_id=votes[0].pair_id,
        winner=winner,
        strength=sum(strengths) / len(strengths),
        judgment_ids=tuple(vote.judgment_id for vote in votes),
        split=votes[0].split,
    )


def _reason(vote: Vote) -> str:
    return SPLIT_VOTE if vote.choice.decisive else vote.choice.value
