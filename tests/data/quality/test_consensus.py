from random import Random

import numpy as np
import pytest

from data.quality.consensus import SUPPOSED_RIGHT, SUPPOSED_WRONG, Consensus, consensus
from data.quality.vote import QualityVote
from data.records import Choice
from tests.data.quality.crowd import (
    Habit,
    Item,
    always_left,
    always_tie,
    ballot,
    careful,
    coin,
    crowd,
    inverted,
    items,
    judged,
)

A, B = Choice.A, Choice.B


def right_at(rate: float) -> Habit:
    """Sees the truth of any item equally often."""
    return lambda source, item, swapped: item.truth if source.random() < rate else item.truth.mirrored


def right_share(agreed: Consensus, on: list[Item]) -> float:
    """How often all the votes but a stranger's own find the truth."""
    return sum(agreed.winner(ballot(0, item.id)) is item.truth for item in on) / len(on)


def majority_share(cast: list[QualityVote], on: list[Item]) -> float:
    balance = {item.id: sum((one.winner is item.truth) - 0.5 for one in cast if one.item_id == item.id) for item in on}
    return sum(balance[item.id] > 0 for item in on) / len(on)


@pytest.mark.parametrize("seed", range(5))
def test_planted_reliabilities_are_found(seed: int) -> None:
    planted = {1: 0.95, 2: 0.85, 3: 0.75, 4: 0.5, 5: 0.2}
    source = Random(seed)
    cast = crowd(source, {number: right_at(rate) for number, rate in planted.items()}, items(source, 1500))
    assert dict(consensus(cast).reliability) == pytest.approx(planted, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_the_consensus_beats_the_majority_where_one_works_against_it(seed: int) -> None:
    source = Random(seed)
    habits = {1: right_at(0.9), 2: right_at(0.75), 3: right_at(0.7), 4: right_at(0.1), 5: coin}
    on = items(source, 400)
    cast = crowd(source, habits, on)
    assert right_share(consensus(cast), on) > majority_share(cast, on) + 0.1


@pytest.mark.parametrize("seed", range(10))
def test_gold_tells_which_of_two_opposites_is_right(seed: int) -> None:
    source = Random(seed)
    habits = {1: right_at(0.9), 2: right_at(0.1), 3: coin, 4: always_left}
    agreed = consensus(crowd(source, habits, items(source, 60, gold=8)))
    assert agreed.reliability[1] > 0.75
    assert agreed.reliability[2] < 0.25
    assert min(agreed.margins[1], agreed.margins[2]) > 2


def test_without_gold_two_opposites_are_as_likely_mirrored() -> None:
    source = Random(1)
    agreed = consensus(crowd(source, {1: careful, 2: inverted}, items(source, 100)))
    assert agreed.reliability[1] + agreed.reliability[2] == pytest.approx(1, abs=0.05)
    assert agreed.margins[1] == agreed.margins[2] == pytest.approx(0, abs=1)


def test_a_margin_looks_no_further_than_shared_items() -> None:
    source = Random(2)
    on = items(source, 120)
    apart = crowd(source, {1: careful, 2: inverted}, on[:60]) + crowd(source, {3: careful, 4: careful}, on[60:])
    margins = consensus(apart).margins
    assert margins[1] == pytest.approx(0, abs=1)
    assert margins[3] == margins[4] > 4


def test_a_vote_alone_says_nothing_of_who_cast_it() -> None:
    source = Random(3)
    on = items(source, 300)
    shared = crowd(source, {1: careful, 2: careful, 3: coin}, on[:100])
    agreed = consensus(shared)
    more = consensus(shared + judged(source, 3, coin, on[100:]) + judged(source, 4, coin, []))
    assert dict(more.reliability) == pytest.approx(dict(agreed.reliability), abs=1e-5)


def test_somebody_unknown_is_supposed_to_try() -> None:
    share = SUPPOSED_RIGHT / (SUPPOSED_RIGHT + SUPPOSED_WRONG)
    assert consensus([ballot()]).reliability == {1: pytest.approx(share)}


def test_votes_for_neither_are_left_out() -> None:
    source = Random(4)
    cast = crowd(source, {1: careful, 2: careful}, items(source, 50))
    without, with_ties = consensus(cast), consensus(cast + judged(source, 3, always_tie, items(source, 50)))
    assert (with_ties.reliability, with_ties.margins) == (without.reliability, without.margins)


def test_the_reliabilities_are_at_a_peak_of_the_posterior() -> None:
    """The gradient of the log posterior, written out item by item, is 0 there."""
    source = Random(5)
    cast = crowd(source, {1: careful, 2: careful, 3: coin, 4: inverted}, items(source, 80, gold=5))

    def log_posterior(rates: dict[int, float]) -> float:
        total = sum(SUPPOSED_RIGHT * np.log(r) + SUPPOSED_WRONG * np.log(1 - r) for r in rates.values())
        for item_id in {one.item_id for one in cast}:
            on_item = [one for one in cast if one.item_id == item_id]
            truths = {one.gold for one in on_item if one.gold} or {A, B}
            total += np.log(
                sum(
                    np.prod([rates[v.annotator_id] if v.winner is t else 1 - rates[v.annotator_id] for v in on_item])
                    for t in truths
                )
            )
        return float(total)

    rates = dict(consensus(cast).reliability)
    for number, rate in rates.items():
        up, down = ({**rates, number: rate + step} for step in (1e-4, -1e-4))
        assert (log_posterior(up) - log_posterior(down)) / 2e-4 == pytest.approx(0, abs=0.05)


def test_the_others_leave_ones_own_vote_out() -> None:
    agreed = consensus([ballot(1, 1, A), ballot(2, 1, A), ballot(3, 1, B)])
    assert agreed.winner(ballot(3, 1, B)) is A
    assert consensus([ballot(1, 1, A), ballot(2, 1, B)]).winner(ballot(1, 1, A)) is B
    of_a = agreed.support(ballot(3, 1, A))
    assert of_a is not None
    assert agreed.support(ballot(3, 1, B)) == pytest.approx(1 - of_a)
    assert agreed.support(ballot(3, 1, Choice.TIE)) is None
    assert agreed.others(ballot(1, 2)) is None


def test_even_votes_have_no_winner() -> None:
    assert consensus([ballot(1, 1, A), ballot(2, 1, B)]).winner(ballot(3, 1)) is None


def test_gold_outweighs_all_votes() -> None:
    source = Random(6)
    on = items(source, 20, gold=20)
    agreed = consensus(crowd(source, {1: inverted, 2: inverted}, on))
    assert right_share(agreed, on) == 1.0


def test_no_votes_have_no_consensus() -> None:
    assert consensus([]).reliability == {}
