"""The coefficients against the tables that their inventors published."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data.quality.agreement import agreement_interval, cohen, fleiss, krippendorff, percent_agreement
from data.quality.share import wilson

FLEISS_TABLE = [
    (0, 0, 0, 0, 14),
    (0, 2, 6, 4, 2),
    (0, 0, 3, 5, 6),
    (0, 3, 9, 2, 0),
    (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0),
    (3, 2, 6, 3, 0),
    (2, 5, 3, 2, 2),
    (6, 5, 2, 1, 0),
    (0, 2, 2, 3, 7),
]
FLEISS_UNITS = [[label for label, count in enumerate(row) for _ in range(count)] for row in FLEISS_TABLE]


def columns(*observers: str) -> list[list[str]]:
    """The labels of each unit; a dot is a missing one."""
    return [[label for label in labels if label != "."] for labels in zip(*observers, strict=True)]


@pytest.mark.parametrize(
    ("observers", "alpha"),
    [
        (("0100000010", "1110010000"), 0.095),
        (("aabbdcccedda", "babbbccceddd"), 0.692),
    ],
)
def test_alpha_of_two_observers_is_krippendorffs_own(observers: Sequence[str], alpha: float) -> None:
    """Sections A and B of "Computing Krippendorff's Alpha-Reliability" (2011)."""
    assert krippendorff(columns(*observers)) == pytest.approx(alpha, abs=5e-4)


def test_alpha_with_missing_labels_is_krippendorffs_own() -> None:
    """Section C, four observers; one unit has a single label."""
    units = columns("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    assert krippendorff(units) == pytest.approx(0.743, abs=5e-4)


def test_fleiss_kappa_is_that_of_the_known_table() -> None:
    assert fleiss(FLEISS_UNITS) == pytest.approx(0.210, abs=5e-4)


def test_fleiss_kappa_leaves_units_of_another_size_out() -> None:
    assert fleiss([*FLEISS_UNITS, [0, 0, 0], [1], [2, 3]]) == fleiss(FLEISS_UNITS)


def test_cohens_kappa_is_that_of_the_known_table() -> None:
    table = {("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}
    assert cohen(pair for pair, count in table.items() for _ in range(count)) == pytest.approx(0.4)


def test_percent_agreement_is_over_pairs_of_labels() -> None:
    assert percent_agreement(["aab", "bb", "c"]) == pytest.approx(2 / 4)


@pytest.mark.parametrize("units", [[], ["a"], ["aa", "aaa"]])
def test_one_label_alone_has_no_coefficient(units: list[str]) -> None:
    assert krippendorff(units) is None
    assert fleiss(units) is None
    assert cohen((unit[0], unit[-1]) for unit in units) is None


def test_no_two_labels_have_no_agreement() -> None:
    assert percent_agreement(["a", "b"]) is None


@given(st.lists(st.text("abc", min_size=3, max_size=3), min_size=1, max_size=20))
def test_alpha_is_fleiss_kappa_for_small_samples(units: list[str]) -> None:
    """With N labels in all and none missing, 1 - alpha = (1 - kappa)(N - 1) / N."""
    assume(len(set("".join(units))) > 1)
    kappa, alpha = fleiss(units), krippendorff(units)
    assert kappa is not None
    assert alpha == pytest.approx(1 - (1 - kappa) * (3 * len(units) - 1) / (3 * len(units)))


def test_where_all_units_have_two_labels_the_interval_is_wilsons() -> None:
    units = ["aa"] * 7 + ["ab"] * 3
    assert agreement_interval(units) == pytest.approx(wilson(7, 10, 0.95))


def test_many_labels_on_one_unit_are_no_more_than_one_observation() -> None:
    assert agreement_interval(["aaaaaaaa"]) == pytest.approx(wilson(1, 1, 0.95))
    assert agreement_interval(["aaa"] * 5 + ["abc"] * 5) == pytest.approx(wilson(5, 10, 0.95))


def test_a_unit_with_most_of_the_pairs_makes_the_interval_wider() -> None:
    low, high = agreement_interval(["aaaaaaaabbbbbbbb", *["ab"] * 20]) or (0.0, 0.0)
    even_low, even_high = wilson(8, 21, 0.95)
    assert high - low > even_high - even_low


def test_no_two_labels_have_no_interval() -> None:
    assert agreement_interval(["a", "b"]) is None
