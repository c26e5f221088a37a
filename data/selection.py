"""Which judgments a round uses: one rule, a pure function. Knows nothing of tables or trainers.

Only votes that name a winner count. A pair goes to the majority of its votes; an even split decides
nothing. The prompt's split says whether it trains or is held out.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from data.records import Choice, Split

SPLIT_VOTE = "split"
_STRENGTH_UNSAID = 1


@dataclass(frozen=True, slots=True)
class Vote:
    """A current judgment, as far as the rule looks at it; choice is in the pair's own a and b."""

    judgment_id: int
    pair_id: int
    choice: Choice
    strength: int | None
    split: Split


@dataclass(frozen=True, slots=True)
class Decision:
    """A pair with a winner, by all votes that named one; strength is the winning votes' mean (1-3)."""

    pair_id: int
    winner: Choice
    strength: float
    judgment_ids: tuple[int, ...]
    split: Split


@dataclass(frozen=True, slots=True)
class Selection:
    """What the rule made of some votes: decisions by pair id, and votes left out by reason."""

    decisions: tuple[Decision, ...]
    excluded: dict[str, int]

    def of(self, split: Split) -> tuple[Decision, ...]:
        """The decisions of one split."""
        return tuple(decision for decision in self.decisions if decision.split is split)


def select(votes: Iterable[Vote]) -> Selection:
    """Apply the rule. Every vote is in exactly one decision or counted as excluded.

    Votes are on one pair at most once per person. A vote without a strength counts as the weakest.
    """
    excluded: Counter[str] = Counter()
    decisions = []
    by_pair = sorted(votes, key=attrgetter("pair_id", "judgment_id"))
    for _, group in groupby(by_pair, key=attrgetter("pair_id")):
        on_pair = list(group)
        excluded.update(vote.choice.value for vote in on_pair if not vote.choice.decisive)
        decisive = [vote for vote in on_pair if vote.choice.decisive]
        decision = _decided(decisive)
        if decision is not None:
            decisions.append(decision)
        elif decisive:
            excluded[SPLIT_VOTE] += len(decisive)
    return Selection(decisions=tuple(decisions), excluded=dict(sorted(excluded.items())))


def _decided(votes: list[Vote]) -> Decision | None:
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
