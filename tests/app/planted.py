"""Annotators with known habits, who have judged the same pairs of a canned server's store."""

from collections.abc import Mapping, Sequence
from random import Random

from data.records import Annotator, Choice, FinishReason, NewCompletion, Pair, Role, Sampling, Split, Verdict
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


def plant(store: PreferenceStore, *, seed: int = 7, pairs: int = PAIRS, gold: int = GOLD) -> dict[str, Annotator]:
    """Add the people of HABITS, and let everybody judge the same pairs, the first few of which are known."""
    source = Random(seed)
    on = items(source, pairs, gold=gold)
    asked = {item.id: _pair(store, item) for item in on}
    people = {name: store.people.add(name, Role.ANNOTATOR) for name in HABITS}
    for name, person in people.items():
        for item in source.sample(on, len(on)):
            _judge(store, person, asked[item.id], item, HABITS[name], source)
    return people


def _pair(store: PreferenceStore, item: Item) -> Pair:
    prompts: Sequence = store.prompts.sample(Split.TRAIN, store.prompts.count(Split.TRAIN), 0)
    prompt = prompts[item.id % len(prompts)]
    a, b = (_completion(side, length) for side, length in zip("ab", item.lengths, strict=True))
    pair = store.pairs.add(prompt.id, a, b, target_judgments=len(HABITS))
    if not item.gold:
        return pair
    return store.gold.make(pair.id, item.truth, explanation="Only one is true.", made_by=None).pair


def _completion(side: str, length: int) -> NewCompletion:
    text = f"The answer {side}, of {length} characters, goes on and on. ".ljust(length, "m")
    return NewCompletion("base", text, (1, 2), (-0.5, -0.5), FinishReason.STOP, Sampling(), 1)


def _judge(store: PreferenceStore, person: Annotator, pair: Pair, item: Item, habit: Habit, source: Random) -> None:
    lease = store.pairs.lease_pair(pair.id, person.id, duration_ms=60_000)
    choice = habit(source, item, lease.swapped)
    shown = choice.mirrored if lease.swapped else choice
    elapsed = int(sum(item.lengths) / 30 * 1000 * source.lognormvariate(0, 0.4))
    verdict = Verdict(Choice(shown), elapsed_ms=elapsed)
    store.judgments.record(person.id, lease.token, verdict, idempotency_key=f"{person.id}/{pair.id}")
