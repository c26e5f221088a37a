"""Planted people are told apart, careful ones are left alone. Seeds are fixed, so the rates below are facts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest

from data.quality.findings import FindingKind
from data.quality.report import QualityReport, quality_report
from data.records import Choice
from tests.data.quality.crowd import (
    Habit,
    Item,
    always_left,
    always_longer,
    always_tie,
    careful,
    coin,
    crowd,
    inverted,
    items,
    judged,
)

JUDGMENTS, GOLD = 60, 6
FOUR_CAREFUL: dict[int, Habit] = dict.fromkeys(range(1, 5), careful)


def report(
    seed: int, habits: Mapping[int, Habit], gold: int = GOLD, again: int = 0, plain: tuple[float, ...] = (0.98, 0.72)
) -> QualityReport:
    source = Random(seed)
    return quality_report(crowd(source, habits, items(source, JUDGMENTS, gold, plain), again))


def kinds(found: QualityReport, annotator_id: int) -> set[FindingKind]:
    return {finding.kind for finding in found.findings_on(annotator_id)}


def test_four_people_of_whom_one_is_careful_are_told_apart() -> None:
    """60 pairs, 6 of them gold, all judged by all four; nothing else is known."""
    told, seeds = Counter[str](), 40
    for seed in range(seeds):
        found = report(seed, {1: careful, 2: coin, 3: always_left, 4: inverted})
        told["careful"] += not kinds(found, 1)
        told["coin"] += FindingKind.CHANCE in kinds(found, 2) and FindingKind.ONE_SIDE not in kinds(found, 2)
        told["left"] += FindingKind.ONE_SIDE in kinds(found, 3)
        told["inverted"] += bool({FindingKind.AGAINST_OTHERS, FindingKind.MISSES_GOLD} & kinds(found, 4))
        told["against"] += FindingKind.AGAINST_OTHERS in kinds(found, 4)
    assert told["left"] == seeds
    assert told["careful"] >= 0.97 * seeds
    assert min(told["coin"], told["inverted"], told["against"]) >= 0.85 * seeds


def test_among_careful_people_every_other_kind_stands_out() -> None:
    planted: dict[int, tuple[Habit, FindingKind]] = {
        5: (coin, FindingKind.CHANCE),
        6: (always_left, FindingKind.ONE_SIDE),
        7: (inverted, FindingKind.AGAINST_OTHERS),
        8: (always_longer, FindingKind.BY_LENGTH),
        9: (always_tie, FindingKind.UNDECIDED),
    }
    seeds, told = 15, Counter[FindingKind]()
    for seed in range(seeds):
        found = report(seed, FOUR_CAREFUL | {number: habit for number, (habit, _) in planted.items()}, again=6)
        told.update(kind for number, (_, kind) in planted.items() if kind in kinds(found, number))
        assert not any(kinds(found, number) for number in FOUR_CAREFUL)
    assert all(told[kind] >= 0.9 * seeds for _, kind in planted.values())


def test_without_gold_two_know_one_who_works_against_them() -> None:
    told = [kinds(report(seed, {1: careful, 2: careful, 3: inverted}, gold=0), 3) for seed in range(20)]
    assert sum(FindingKind.AGAINST_OTHERS in one for one in told) >= 18


@pytest.mark.parametrize("other", [inverted, coin])
def test_without_gold_nobody_is_blamed_for_a_quarrel_of_two(other: Habit) -> None:
    assert not any(report(seed, {1: careful, 2: other}, gold=0).findings for seed in range(20))


@pytest.mark.parametrize(
    ("plain", "allowed"),
    [((0.98, 0.72), 0.01), ((0.95, 0.55), 0.01), ((0.75,), 0.03)],
    ids=["agree in 78 %", "agree in 70 %", "agree in 63 %"],
)
def test_careful_people_are_seldom_suspected(plain: tuple[float, ...], allowed: float) -> None:
    five, seeds = dict.fromkeys(range(1, 6), careful), 40
    suspected = 0
    for seed in range(seeds):
        found = report(seed, five, again=6, plain=plain)
        suspected += sum(bool(kinds(found, number)) for number in five)
    assert suspected <= allowed * len(five) * seeds


def test_the_more_is_known_the_fewer_careful_people_are_suspected() -> None:
    source = Random(1)
    five = dict.fromkeys(range(1, 6), careful)
    assert not quality_report(crowd(source, five, items(source, 1000, 50, (0.9, 0.6)), again=50)).findings


def test_few_judgments_find_nothing_but_what_is_plain() -> None:
    source = Random(2)
    habits = {1: careful, 2: coin, 3: inverted, 4: careful}
    assert not any(quality_report(crowd(source, habits, items(source, 10))).findings for _ in range(20))


def test_a_small_leaning_is_none_however_often_it_shows() -> None:
    source = Random(3)

    def leaning(draw: Random, item: Item, swapped: bool) -> Choice:
        return (always_left if draw.random() < 0.1 else coin)(draw, item, swapped)

    found = quality_report(judged(source, 1, leaning, items(source, 5000)))
    assert found.left is not None
    assert found.left.low > 0.52
    assert not found.findings


def test_one_who_says_the_opposite_when_asked_again_stands_out() -> None:
    source = Random(4)
    on = items(source, 40)
    steady = crowd(source, FOUR_CAREFUL, on, again=20)
    wavering = judged(source, 5, always_left, on, again=20)
    assert FindingKind.INCONSISTENT in kinds(quality_report(steady + wavering), 5)


def test_one_who_cannot_have_read_stands_out() -> None:
    source = Random(5)
    cast = crowd(source, FOUR_CAREFUL, items(source, 30))
    raced = [replace(one, elapsed_ms=1500) if one.annotator_id == 4 else one for one in cast]
    assert [(one.annotator_id, one.kind) for one in quality_report(raced).findings] == [(4, FindingKind.TOO_FAST)]


def test_where_longer_answers_are_better_the_longer_is_no_fault() -> None:
    source = Random(6)
    habits = dict.fromkeys(range(1, 5), always_longer)
    assert not quality_report(crowd(source, habits, items(source, 60))).findings


def test_where_most_pairs_are_undecided_that_is_no_fault() -> None:
    source = Random(7)
    habits = dict.fromkeys(range(1, 5), always_tie)
    assert not quality_report(crowd(source, habits, items(source, 60))).findings


def test_a_finding_has_its_numbers() -> None:
    (left,) = [one for one in report(8, FOUR_CAREFUL | {5: always_left}).findings if one.kind is FindingKind.ONE_SIDE]
    assert (left.annotator_id, left.value, left.high, left.bound, left.of) == (5, 1.0, 1.0, 0.6, 60)
    assert left.bound < left.low < 1
