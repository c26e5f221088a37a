"""Which judgments a round uses: one rule, a pure function. Knows nothing of tables or trainers.

Votes that count are a, b and "both bad", unless they are barred: of an annotator in quarantine, on a pair that
somebody flagged, or that was never meant to train. A pair of which more than half of these say "both bad" has no
winner: its two answers are rated bad. Any other pair goes to the majority of its votes for a or b; an even split
decides nothing. The prompt's split says whether a decision trains or is held out; a bad pair only ever trains, since
nothing is measured on ratings. Of pairs with the same prompt and the same two answers the one judged last counts: to
train on one comparison twice would weigh it double. What else is left out is up to SelectionRules.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from operator import attrgetter

from data.digests import canonical, sha256
from data.records import Choice, Split

SPLIT_VOTE = "split"
STRENGTH_UNSAID = 1
"""What a vote counts that does not say how much better the winner is."""
_DRAWS = 2**32


@dataclass(frozen=True, slots=True)
class Vote:
    """A current judgment, as far as the rule looks at it; choice is in the pair's own a and b.

    barred: why it may not count, whatever it says; None if it may. same_as: a number that pairs with the same prompt
    and the same two answers share; the pair's own id if None.
    """

    judgment_id: int
    pair_id: int
    choice: Choice
    strength: int | None
    split: Split
    barred: str | None = None
    same_as: int | None = None


@dataclass(frozen=True, slots=True)
class SelectionRules:
    """Which decided pairs a round takes. The defaults take all.

    since_last: only training pairs on which somebody has judged since the last round that ended with a version, and
    `replay`, a share of the older ones, always the same. agreement: the least share that the winner has of a pair's
    votes for either answer. least_strength: the least mean strength of the winning votes, 1 to 3. Held-out pairs only
    measure: they are never too old.
    """

    since_last: bool = False
    replay: float = 0.0
    agreement: float = 0.0
    least_strength: float = 1.0


TAKE_ALL = SelectionRules()


@dataclass(frozen=True, slots=True)
class Decision:
    """A pair with a winner, by all votes that named one.

    strength is the winning votes' mean (1-3), agreement their share of all these votes.
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


@dataclass(frozen=True)
class Selection:
    """What the rule made of some votes: decisions and bad pairs by pair id, and votes left out by reason.

    The reason is why the vote is barred, what it says, "split" for one that named a winner in vain, or what the rules
    leave its pair out for: "older", "disputed", "weak", "duplicate".
    """

    decisions: tuple[Decision, ...]
    both_bad: tuple[BadPair, ...]
    excluded: dict[str, int]

    def of(self, split: Split) -> tuple[Decision, ...]:
        """The decisions of one split."""
        return tuple(decision for decision in self.decisions if decision.split is split)

    @property
    def judgment_ids(self) -> dict[int, Split]:
        """Every judgment that is used, and on which side of the split."""
        used = {number: decision.split for decision in self.decisions for number in decision.judgment_ids}
        return used | {number: Split.TRAIN for bad in self.both_bad for number in bad.judgment_ids}

    @cached_property
    def sha256(self) -> str:
        """Digest of what was selected: the same pairs, winners, splits and judgments have the same."""
        decided = [[d.pair_id, d.winner.value, d.split.value, *d.judgment_ids] for d in self.decisions]
        return sha256(
            canonical({"decided": decided, "both_bad": [[b.pair_id, *b.judgment_ids] for b in self.both_bad]})
        )


def select(votes: Iterable[Vote], rules: SelectionRules = TAKE_ALL, *, since: int = 0) -> Selection:
    """Apply the rule. Every vote is in exactly one decision or bad pair, or counted as excluded.

    Votes are on one pair at most once per person. A vote without a strength counts as the weakest. since: the newest
    judgment that the last round with a version could use.
    """
    votes = list(votes)
    excluded = Counter(vote.barred for vote in votes if vote.barred)
    kept: dict[int, Decision | BadPair] = {}
    by_pair = sorted((vote for vote in votes if not vote.barred), key=attrgetter("pair_id", "judgment_id"))
    for pair_id, group in groupby(by_pair, key=attrgetter("pair_id")):
        on_pair = list(group)
        outcome = _outcome(on_pair)
        used = outcome.judgment_ids if outcome else ()
        excluded.update(_reason(vote) for vote in on_pair if vote.judgment_id not in used)
        if outcome is None:
            continue
        if why := _left_out(outcome, rules, since):
            excluded[why] += len(used)
            continue
        content = pair_id if on_pair[0].same_as is None else on_pair[0].same_as
        before = kept.get(content)
        kept[content] = outcome if before is None else max(before, outcome, key=_newest)
        if before is not None:
            excluded["duplicate"] += len(min(before, outcome, key=_newest).judgment_ids)
    outcomes = sorted(kept.values(), key=attrgetter("pair_id"))
    return Selection(
        tuple(outcome for outcome in outcomes if isinstance(outcome, Decision)),
        tuple(outcome for outcome in outcomes if isinstance(outcome, BadPair)),
        dict(sorted(excluded.items())),
    )


def _left_out(outcome: Decision | BadPair, rules: SelectionRules, since: int) -> str | None:
    """Why the rules leave a pair out; None if they do not."""
    if isinstance(outcome, Decision) and outcome.agreement < rules.agreement:
        return "disputed"
    if isinstance(outcome, Decision) and outcome.strength < rules.least_strength:
        return "weak"
    measures = isinstance(outcome, Decision) and outcome.split is Split.HELDOUT
    if rules.since_last and not measures and _newest(outcome) <= since and not _drawn(outcome.pair_id, rules.replay):
        return "older"
    return None


def _drawn(pair_id: int, share: float) -> bool:
    """Whether a pair is among a share of all; of two shares the smaller one's pairs are in the larger's."""
    return int(sha256(str(pair_id))[:8], 16) < share * _DRAWS


def _newest(outcome: Decision | BadPair) -> int:
    return max(outcome.judgment_ids)


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
    strengths = [vote.strength or STRENGTH_UNSAID for vote in votes if vote.choice is winner]
    return Decision(
        pair_id=votes[0].pair_id,
        winner=winner,
        strength=sum(strengths) / len(strengths),
        judgment_ids=tuple(vote.judgment_id for vote in votes),
        split=votes[0].split,
        agreement=len(strengths) / len(votes),
    )


def _reason(vote: Vote) -> str:
    return SPLIT_VOTE if vote.choice.decisive else vote.choice.value
