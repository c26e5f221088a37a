from dataclasses import replace
from random import Random

from data.quality.vote_table import again, by_annotator, by_item, first_words, in_order, table_of
from data.records import Choice, Purpose
from tests.data.quality.crowd import ballot, careful, crowd, items


def test_a_table_holds_what_the_ballots_say() -> None:
    cast = crowd(Random(1), {1: careful, 2: careful}, items(Random(2), 20, gold=3), again=4)
    some = [*cast, replace(cast[0], elapsed_ms=None, strength=3, choice=Choice.SKIP)]
    assert list(table_of(some)) == some
    assert list(table_of([])) == []


def test_a_first_word_is_the_earliest_that_says_something() -> None:
    skip, first = ballot(choice=Choice.SKIP, number=1), ballot(choice=Choice.TIE, number=2)
    repeated = replace(ballot(number=3), purpose=Purpose.REASK)
    somebody = ballot(annotator_id=2, number=4)
    cast = [repeated, somebody, first, skip]
    assert list(first_words(cast)) == [first, somebody]
    said = in_order(cast)
    at, before = again(said)
    assert (list(said.taken(at)), list(said.taken(before))) == ([repeated], [first])


def test_order_is_that_of_time() -> None:
    late, early = ballot(number=1), replace(ballot(number=2), created_at=5)
    assert list(in_order([late, early, ballot(choice=Choice.RETRACTED)])) == [early, late]


def test_ballots_are_grouped() -> None:
    one, two, three = ballot(2, 1), ballot(1, 1), ballot(1, 2)
    numbers, at = by_item(table_of([one, two, three]).item)
    assert (numbers.tolist(), at.tolist()) == ([1, 2], [0, 0, 1])
    assert [(number, list(own)) for number, own in by_annotator([one, two, three])] == [(1, [two, three]), (2, [one])]
