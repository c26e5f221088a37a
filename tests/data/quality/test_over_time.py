from dataclasses import replace
from itertools import groupby, pairwise
from operator import attrgetter
from random import Random

import pytest

from data.quality.agreement import percent_agreement
from data.quality.over_time import FEWEST_ITEMS, MOST_SPANS, agreement_course
from data.quality.share import wilson
from data.records import Choice
from tests.data.quality.crowd import ballot, careful, coin, crowd, items


def test_nothing_shared_has_no_course():
    assert agreement_course([]) == ()
    assert agreement_course([ballot(1, 1), ballot(1, 2), ballot(2, 3)]) == ()


def test_a_few_items_are_one_span():
    cast = [ballot(1, 1, number=1), ballot(2, 1, number=4), ballot(1, 2, number=2), ballot(2, 2, Choice.B, 9)]
    [span] = agreement_course(cast)
    assert (span.begun_at, span.ended_at, span.items, span.agreement) == (4000, 9000, 2, 0.5)
    assert (span.low, span.high) == pytest.approx(wilson(1, 2, 0.95))


@pytest.mark.parametrize("count", [FEWEST_ITEMS, 3 * FEWEST_ITEMS + 7, 900])
def test_every_shared_item_is_in_one_span(count: int):
    cast = crowd(Random(count), {1: careful, 2: careful}, items(Random(count), count))
    course = agreement_course(cast)
    assert sum(span.items for span in course) == count
    assert len(course) == min(MOST_SPANS, count // FEWEST_ITEMS)
    assert all(first.ended_at <= second.begun_at for first, second in pairwise(course))
    by_item = groupby(sorted(cast, key=attrgetter("item_id")), key=attrgetter("item_id"))
    overall = percent_agreement([[one.winner for one in group] for _, group in by_item])
    assert sum(span.items * (span.agreement or 0) for span in course) / count == pytest.approx(overall)


def test_agreement_that_falls_is_seen_to_fall():
    on = items(Random(0), 200)
    early = crowd(Random(1), {1: careful, 2: careful}, on[:100])
    late = [
        replace(one, created_at=one.created_at + 10**6) for one in crowd(Random(2), {1: careful, 2: coin}, on[100:])
    ]
    course = agreement_course([*late, *early])
    assert (course[0].agreement or 0) > (course[-1].agreement or 0) + 0.1
