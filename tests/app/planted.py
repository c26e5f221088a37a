"""Annotators with known habits, who have judged the same pairs of a store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from data.annotation.queue import QueueRules
from data.records import (
    NO_REMARKS,
    Annotator,
    Choice,
    FinishReason,
    Flag,
    Lease,
    NewCompletion,
    Pair,
    Purpose,
    Remarks,
    Role,
    Sampling,
    Split,
    Verdict,
)
from data.store import PreferenceStore
from tests.data.quality.crowd import Habit, Item, always_left, careful, coin, inverted, items

PAIRS = 60
GOLD = 8
HABITS: Mapping[str, Habit] = {
    "careful-ann": careful,
    "careful-ben": careful,
    "coin-cora": coin,
    "left-leo": always_left,
    "mirror-mia": inverted,
}
_ASKED_AGAIN = QueueRules(reask=1, reask_after=1)
_LONG_MS = 3_600_000


def plant(
    store: PreferenceStore,
    *,
    seed: int = 7,
    pairs: int = PAIRS,
    gold: int = GOLD,
    again: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Annotator]:
    """Add the people of HABITS and let everybody judge the same pairs, the first few of which are known.

    again: how many each judges again afterwards. tick is called before each judgment.
    """
    people = {name: store.people.add(name, Role.ANNOTATOR) for name in HABITS}
    source = Random(seed)
    crowd = _Crowd(store, source)
    asked = [(crowd.pair(item), item) for item in items(source, pairs, gold=gold)]
    orders = {name: source.sample(asked, len(asked)) for name in people}
    for number in range(pairs):
        for name, person in people.items():
            pair, item = orders[name][number]
            tick()
            crowd.judge(store.pairs.lease_pair(pair.id, person.id, duration_ms=_LONG_MS), item, HABITS[name])
    if again:
        [item] = items(Random(0), 1)
        waiting = crowd.pair(item)  # whose place a re-ask takes
    for _ in range(again):
        for name, person in people.items():
            lease = store.pairs.lease(person.id, duration_ms=_LONG_MS, version="base", rules=_ASKED_AGAIN)
            assert lease is not None
            assert lease.pair.purpose is Purpose.REASK
            tick()
            crowd.judge(lease, crowd.items[lease.pair.a.id], HABITS[name])
    if again:
        sql = "update pair set withdrawn_at = created_at where id = ?"
        store._database.write(lambda db: db.execute(sql, [waiting.id]))
    return people


def agree(store: PreferenceStore, people: Mapping[str, Annotator], choice: Choice) -> Pair:
    """A pair of which three say the same, the first of them with a flag."""
    crowd = _Crowd(store, Random(1))
    pair = crowd.pair(items(Random(1), 1)[0])
    for number, name in enumerate(("careful-ann", "careful-ben", "coin-cora")):
        lease = store.pairs.lease_pair(pair.id, people[name].id, duration_ms=_LONG_MS)
        remarks = NO_REMARKS if number else Remarks(comment="Whoever wrote this gave a name.", flag=Flag.PERSONAL_DATA)
        crowd.say(lease, choice, 9000, remarks)
    return pair


def contend(store: PreferenceStore, *, wins: int, losses: int, of: str, against: str, ties: int = 0) -> None:
    """Votes of one person between two versions' answers, sides by lot."""
    source = Random(0)
    [prompt] = store.prompts.sample(None, 1, 0)
    voter = store.people.add(f"voter-{store.judgments.last_id()}", Role.ANNOTATOR)
    votes = [of] * wins + [against] * losses + [None] * ties
    for number, won in enumerate(source.sample(votes, len(votes))):
        a, b = source.sample([_answer(name, f"{name} {number} {wins} {losses}") for name in (of, against)], 2)
        pair = store.pairs.add_evaluation(prompt.id, a, b, champion=against)
        winner = {a.version: Choice.A, b.version: Choice.B, None: Choice.TIE}[won]
        lease = store.pairs.lease_pair(pair.id, voter.id, duration_ms=_LONG_MS)
        verdict = Verdict(winner.mirrored if lease.swapped else winner)
        store.judgments.record(voter.id, lease.token, verdict, idempotency_key=lease.token)


def judge_new_pairs(store: PreferenceStore, choices: Sequence[Choice], *, split: Split) -> None:
    """Choices of one person, each on a pair of its own of the base's answers."""
    [prompt, *_] = store.prompts.sample(split, 1, 0)
    judge = store.people.add(f"judge-{store.judgments.last_id()}", Role.ANNOTATOR)
    for choice in choices:
        number = store.judgments.last_id()
        pair = store.pairs.add(prompt.id, _answer("base", f"one {number}"), _answer("base", f"two {number}"))
        lease = store.pairs.lease_pair(pair.id, judge.id, duration_ms=_LONG_MS)
        verdict = Verdict(choice.mirrored if lease.swapped else choice)
        store.judgments.record(judge.id, lease.token, verdict, idempotency_key=lease.token)


def _answer(version: str, text: str) -> NewCompletion:
    return NewCompletion(version, text, (1, 2), (-1.0, -1.0), FinishReason.STOP, Sampling(), 1)


@dataclass
class _Crowd:
    store: PreferenceStore
    source: Random

    def __post_init__(self) -> None:
        self.items: dict[int, Item] = {}
        self._keys = count()

    def pair(self, item: Item) -> Pair:
        prompts = self.store.prompts.sample(Split.TRAIN, 1000, 0)
        a, b = (_completion(side, length) for side, length in zip("ab", item.lengths, strict=True))
        pair = self.store.pairs.add(prompts[item.id % len(prompts)].id, a, b, target_judgments=len(HABITS))
        self.items[pair.a.id] = item
        if not item.gold:
            return pair
        return self.store.gold.make(pair.id, item.truth, explanation="Only one of them is true.", made_by=None).pair

    def judge(self, lease: Lease, item: Item, habit: Habit) -> None:
        elapsed = int(sum(item.lengths) / 30 * 1000 * self.source.lognormvariate(0, 0.4))
        self.say(lease, habit(self.source, item, lease.swapped), elapsed, NO_REMARKS)

    def say(self, lease: Lease, choice: Choice, elapsed_ms: int, remarks: Remarks) -> None:
        verdict = Verdict(choice.mirrored if lease.swapped else choice, elapsed_ms=elapsed_ms, remarks=remarks)
        key = f"{lease.token}/{next(self._keys)}"
        self.store.judgments.record(lease.annotator_id, lease.token, verdict, idempotency_key=key)


def _completion(side: str, length: int) -> NewCompletion:
    text = "One sees it best in the morning, when the light comes in low and the shadows are long. " * 20
    return NewCompletion("base", f"{side}: {text}"[:length], (1, 2), (-0.5, -0.5), FinishReason.STOP, Sampling(), 1)
