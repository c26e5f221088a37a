"""A simulated crowd: who judges what, and how. The truth of each item is known to nobody but the test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from data.quality.vote import QualityVote
from data.records import Choice, Purpose

EASY, HARD = 0.98, 0.72
"""How often a careful person sees the truth; half and half, two careful people agree in 78 %."""


@dataclass(frozen=True)
class Item:
    """Two answers, the better of them, and how plain that is."""

    id: int
    truth: Choice
    plain: float
    lengths: tuple[int, int]
    gold: bool


Habit = Callable[[Random, Item, bool], Choice]
"""How somebody chooses, seeing an item with its sides swapped or not."""


def ballot(annotator_id: int = 1, item_id: int = 1, choice: Choice = Choice.A, number: int = 0) -> QualityVote:
    """A ballot of which only this matters; number tells its place in time."""
    return QualityVote(
        judgment_id=number,
        annotator_id=annotator_id,
        item_id=item_id,
        purpose=Purpose.TRAIN,
        choice=choice,
        strength=None,
        swapped=False,
        length_a=400,
        length_b=300,
        elapsed_ms=30_000,
        created_at=1000 * number,
    )


def careful(source: Random, item: Item, swapped: bool) -> Choice:
    return item.truth if source.random() < item.plain else item.truth.mirrored


def inverted(source: Random, item: Item, swapped: bool) -> Choice:
    return careful(source, item, swapped).mirrored


def coin(source: Random, item: Item, swapped: bool) -> Choice:
    return source.choice((Choice.A, Choice.B))


def always_left(source: Random, item: Item, swapped: bool) -> Choice:
    return Choice.B if swapped else Choice.A


def always_longer(source: Random, item: Item, swapped: bool) -> Choice:
    return Choice.A if item.lengths[0] > item.lengths[1] else Choice.B


def always_tie(source: Random, item: Item, swapped: bool) -> Choice:
    return Choice.TIE


def _lengths(source: Random) -> tuple[int, int]:
    shorter, longer = source.randint(50, 900), source.randint(901, 1500)
    return (shorter, longer) if source.choice((True, False)) else (longer, shorter)


def items(source: Random, count: int, gold: int = 0, plain: Sequence[float] = (EASY, HARD)) -> list[Item]:
    """Items of which the first few are gold; how plain they are goes round."""
    return [
        Item(
            id=number + 1,
            truth=source.choice((Choice.A, Choice.B)),
            plain=plain[number % len(plain)],
            lengths=_lengths(source),
            gold=number < gold,
        )
        for number in range(count)
    ]


def judged(source: Random, annotator_id: int, habit: Habit, on: Sequence[Item], again: int = 0) -> list[QualityVote]:
    """One person's ballots on the items in any order, and on some of them again with the sides swapped."""
    asked = [(item, source.random() < 0.5) for item in source.sample(on, len(on))]
    cast = [_cast(source, annotator_id, habit, item, swapped) for item, swapped in asked]
    for item, swapped in source.sample(asked, again):
        cast.append(replace(_cast(source, annotator_id, habit, item, not swapped), purpose=Purpose.REASK))
    return [
        replace(one, judgment_id=1000 * annotator_id + number, created_at=1000 * number)
        for number, one in enumerate(cast)
    ]


def crowd(source: Random, habits: Mapping[int, Habit], on: Sequence[Item], again: int = 0) -> list[QualityVote]:
    """Everybody on every item, by annotator id."""
    return [one for number, habit in habits.items() for one in judged(source, number, habit, on, again)]


def _cast(source: Random, annotator_id: int, habit: Habit, item: Item, swapped: bool) -> QualityVote:
    return replace(
        ballot(annotator_id, item.id, habit(source, item, swapped)),
        purpose=Purpose.GOLD if item.gold else Purpose.TRAIN,
        swapped=swapped,
        length_a=item.lengths[0],
        length_b=item.lengths[1],
        elapsed_ms=int(sum(item.lengths) / 30 * 1000 * source.lognormvariate(0, 0.4)),
        gold=item.truth if item.gold else None,
    )
