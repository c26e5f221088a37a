from dataclasses import replace
from itertools import combinations
from random import Random

import pytest

from data.quality.annotator import STRETCH
from data.quality.report import quality_report
from data.quality.share import Share
from data.records import Choice
from tests.data.quality.crowd import always_left, ballot, careful, coin, crowd, inverted, items, judged

A, B, TIE, BAD, SKIP = Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD, Choice.SKIP


def test_nothing_judged_is_nothing_known() -> None:
    found = quality_report([])
    assert (found.judgments, found.items, found.shared, found.annotators, found.findings) == (0, 0, 0, (), ())
    assert (found.agreement, found.alpha, found.fleiss, found.left, found.length) == (None,) * 5


def test_one_skip_is_a_judgment_that_says_nothing() -> None:
    (own,) = quality_report([ballot(choice=SKIP)]).annotators
    assert (own.judgments, own.choices[SKIP]) == (1, 1)
    assert (own.left, own.undecided, own.reliability, own.agreement, own.kappa, own.gold) == (None,) * 6


def test_ties_and_both_bad_are_the_same_word() -> None:
    found = quality_report([ballot(1, 1, TIE), ballot(2, 1, BAD), ballot(1, 2, A), ballot(2, 2, B)])
    assert found.agreement == 0.5
    assert (found.items, found.shared, found.judgments) == (2, 2, 4)


def test_overall_agreement_is_that_of_all_pairs_of_people() -> None:
    source = Random(1)
    cast = crowd(source, dict.fromkeys(range(4), careful), items(source, 50))
    said = {(one.annotator_id, one.item_id): one.choice for one in cast}
    alike = [said[i, k] is said[j, k] for i, j in combinations(range(4), 2) for k in range(1, 51)]
    found = quality_report(cast)
    assert found.agreement == pytest.approx(sum(alike) / len(alike))
    assert found.alpha == pytest.approx(found.fleiss, abs=0.01)


def test_a_re_ask_is_no_word_of_somebody_else() -> None:
    source = Random(2)
    on = items(source, 40)
    cast = judged(source, 1, careful, on, again=20)
    assert quality_report(cast).shared == 0
    assert quality_report(cast).agreement is None


def test_everybody_is_held_against_the_others() -> None:
    source = Random(3)
    habits = {1: careful, 2: careful, 3: careful, 4: coin, 5: inverted}
    own = {
        one.annotator_id: one for one in quality_report(crowd(source, habits, items(source, 200, gold=10))).annotators
    }
    agreement = {number: one.agreement.value for number, one in own.items() if one.agreement}
    kappa = {number: one.kappa for number, one in own.items() if one.kappa is not None}
    reliability = {number: one.reliability.value for number, one in own.items() if one.reliability}
    for measure, middle in ((agreement, 0.5), (kappa, 0.0), (reliability, 0.5)):
        assert min(measure[1], measure[2], measure[3]) > middle + 0.2
        assert measure[4] == pytest.approx(middle, abs=0.15)
        assert measure[5] < middle - 0.2


def test_people_come_by_number_with_their_counts() -> None:
    source = Random(4)
    cast = crowd(source, {7: always_left, 2: careful}, items(source, 30, gold=30), again=5)
    second, seventh = quality_report(cast).annotators
    assert (second.annotator_id, seventh.annotator_id) == (2, 7)
    assert seventh.left == Share(35, 35)
    assert seventh.repeats == Share(0, 5)
    assert second.gold is not None
    assert second.gold.of == 35
    assert sum(seventh.choices.values()) == seventh.judgments == 35


def test_the_course_goes_on_in_stretches() -> None:
    source = Random(5)
    cast = crowd(source, {1: always_left, 2: careful}, items(source, 2 * STRETCH + 5))
    first, *_, last = quality_report(cast).annotators[0].course
    assert (first.judgments, last.judgments) == (STRETCH, 5)
    assert first.begun_at < first.ended_at < last.begun_at
    assert (first.left, last.left) == (Share(STRETCH, STRETCH), Share(5, 5))
    assert first.agreement is not None
    assert first.agreement.of == STRETCH


def test_the_course_shows_when_somebody_stopped_caring() -> None:
    source = Random(6)
    on = items(source, 200)
    tired = judged(source, 4, careful, on[:100])
    tired += [replace(one, created_at=one.created_at + 10**6) for one in judged(source, 4, coin, on[100:])]
    cast = crowd(source, dict.fromkeys((1, 2, 3), careful), on) + tired
    course = quality_report(cast).annotators[3].course
    before, after = ([one.agreement.value for one in part if one.agreement] for part in (course[:5], course[5:]))
    assert sum(before) / 5 > sum(after) / 5 + 0.15


def test_the_order_of_ballots_does_not_matter() -> None:
    source = Random(7)
    cast = crowd(source, {1: careful, 2: careful, 3: coin}, items(source, 30, gold=4), again=3)
    shuffled = source.sample(cast, len(cast))
    found, again = quality_report(cast), quality_report(shuffled)
    assert again.findings == found.findings
    assert (again.alpha, again.agreement, again.left) == pytest.approx((found.alpha, found.agreement, found.left))
