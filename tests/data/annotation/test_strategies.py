from hypothesis import given
from hypothesis import strategies as st

from data.annotation.strategies import (
    STRATEGIES,
    Candidate,
    Strategy,
    StrategyName,
    diversity,
    random,
    uncertainty,
    words_of,
)

words = st.frozensets(st.sampled_from("abcdefgh"), max_size=5)
candidates = st.lists(st.builds(Candidate, st.integers(), st.none() | st.floats(-9, 9), words), min_size=1, max_size=20)


@given(candidates, st.lists(words, max_size=5), st.floats(0, 1), st.sampled_from(list(STRATEGIES.values())))
def test_probabilities_are_probabilities(
    waiting: list[Candidate], recent: list[frozenset[str]], explore: float, strategy: Strategy
) -> None:
    odds = strategy(waiting, recent, explore)
    assert len(odds.shares) == len(waiting)
    assert abs(sum(odds.shares) - 1) < 1e-9
    assert all(0 <= share <= 1 for share in odds.shares)
    assert all(share >= explore / len(waiting) - 1e-12 for share in odds.shares)


def pair(margin: float | None = None, text: str = "") -> Candidate:
    return Candidate(0, margin, words_of(text))


def test_random_is_fair() -> None:
    assert random([pair()] * 4).shares == (0.25,) * 4


def test_uncertainty_takes_the_smallest_margin_of_either_sign() -> None:
    odds = uncertainty([pair(-3.0), pair(None), pair(-0.1), pair(0.2)], (), 0.2)
    assert odds.shares == (0.05, 0.05, 0.05 + 0.8, 0.05)


def test_without_margins_nothing_is_less_certain_and_it_is_called_random() -> None:
    odds = uncertainty([pair(), pair()], (), 0.2)
    assert (odds.by, odds.shares) == (StrategyName.RANDOM, (0.5, 0.5))


def test_diversity_takes_the_prompt_least_like_its_nearest_neighbour() -> None:
    recent = [words_of("boil an egg"), words_of("plant a tree")]
    odds = diversity([pair(text="boil an onion"), pair(text="name a river"), pair(text="plant a tree")], recent, 0.0)
    assert odds.shares == (0.0, 1.0, 0.0)


def test_words_are_alike_in_large_and_small_letters() -> None:
    assert words_of("Boil, boil AN egg!") == {"boil", "an", "egg"}
