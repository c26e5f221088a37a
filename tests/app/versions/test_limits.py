"""The gate: what goes too far is refused with its number in words, and chance refuses nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.versions.limits import Limits, breaches
from data.quality.share import wilson
from trainer.interface.manifest import Agreement, Divergence, Evaluation, Interval, Manner, RivalScores

PLAIN = Manner(answers=64, mean_length=40, eos_rate=0.95, distinct_1=0.4, distinct_2=0.8, repetition=0.02)


def comparison(
    rival: str = "round-000001",
    *,
    hits: int = 15,
    pairs: int = 20,
    kl: float = 8,
    chosen: float = -2,
    chosen_token: float | None = None,
    margin: float = 3,
) -> RivalScores:
    low, high = wilson(hits, pairs, 0.95)
    shifts = {"chosen_shift": chosen, "rejected_shift": -5, "chosen_token_shift": chosen_token}
    return RivalScores(
        rival=rival,
        heldout=Agreement(pairs=pairs, accuracy=hits / pairs, margin=margin, **shifts),
        accuracy=Interval(low=low, high=high),
        margin=Interval(low=margin - 2, high=margin + 2),
        kl=Divergence(mean=kl, median=kl, max=4 * kl),
        manner=PLAIN,
    )


def evaluation(against: RivalScores | None = None, *, base: RivalScores | None = None, **manner: float) -> Evaluation:
    against = against or comparison()
    return Evaluation(
        manner=PLAIN.model_copy(update=manner),
        against_base=base or comparison("base"),
        against_champion=against,
        champion=comparison("base"),
    )


def broken(found: Evaluation, **limits: object) -> list[str]:
    return [breach.name for breach in breaches(found, Limits.model_validate(limits))]


def test_an_ordinary_round_breaks_nothing() -> None:
    assert broken(evaluation()) == []


OLD_ONES = {"kl_mean": 30, "kl_median": 30, "kl_max": 120, "chosen_drop": 20}


@pytest.mark.parametrize(
    ("found", "name", "words"),
    [
        (
            evaluation(comparison(hits=2)),
            "accuracy",
            "compared with round-000001, it moved towards the preferred answer in only 10% of 20 held-out pairs "
            "(surely at most 30%; at least 50% is asked)",
        ),
        (
            evaluation(base=comparison("base", hits=3)),
            "accuracy",
            "compared with base, it moved towards the preferred answer in only 15% of 20 held-out pairs "
            "(surely at most 36%; at least 50% is asked)",
        ),
        (
            evaluation(comparison(margin=-7)),
            "margin",
            "compared with round-000001, its margin on 20 held-out pairs is -7.0 nats, surely below the +0.0 that are "
            "asked",
        ),
        (
            evaluation(
                base=comparison("base", kl=29.9).model_copy(update={"kl": Divergence(mean=31, median=9, max=9)})
            ),
            "kl_mean",
            "its answers are 31 nats from the base (mean); at most 30 are allowed",
        ),
        (
            evaluation(base=comparison("base").model_copy(update={"kl": Divergence(mean=9, median=31, max=9)})),
            "kl_median",
            "its answers are 31 nats from the base (median); at most 30 are allowed",
        ),
        (
            evaluation(base=comparison("base").model_copy(update={"kl": Divergence(mean=9, median=9, max=121)})),
            "kl_max",
            "its answers are 121 nats from the base (max); at most 120 are allowed",
        ),
        (
            evaluation(comparison(chosen=-22)),
            "chosen_drop",
            "preferred answers have become 22 nats less likely than under round-000001; at most 20 are allowed",
        ),
        (
            evaluation(comparison(chosen_token=-0.6)),
            "chosen_drop_per_token",
            "preferred answers have become 0.6 nats a token less likely than under round-000001; at most 0.5 are "
            "allowed",
        ),
        (
            evaluation(mean_length=66),
            "longer",
            "its answers are 65% longer than those of round-000001; at most 50% are allowed",
        ),
        (
            evaluation(mean_length=10),
            "shorter",
            "its answers are 75% shorter than those of round-000001; at most 70% are allowed",
        ),
        (
            evaluation(eos_rate=0.5),
            "eos_drop",
            "only 50% of its answers end by themselves, of those of round-000001 95%; the share may fall by 15 points",
        ),
        (
            evaluation(repetition=0.2),
            "repetition",
            "it repeats itself: 20% of an answer was there before, 2% with round-000001; 10 points more are allowed",
        ),
        (
            evaluation(distinct_2=0.3),
            "distinct_drop",
            "its answers are all alike: 30% different word pairs, 80% with round-000001; a fall by 40% is allowed",
        ),
    ],
)
def test_what_goes_too_far_is_said_in_words(found: Evaluation, name: str, words: str) -> None:
    (breach,) = breaches(found, Limits(**OLD_ONES, chosen_drop_per_token=0.5))
    assert (breach.name, breach.words) == (name, words)
    assert breach.value != breach.limit
    assert broken(found, **{name: "off"}) == []


PER_TOKEN = Divergence(mean=9, median=9, max=9, token_mean=0.1, token_median=0.1, token_max=0.4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mean", "its answers are 0.60 nats a token from the base (mean); at most 0.5 are allowed"),
        ("median", "its answers are 0.60 nats a token from the base (median); at most 0.5 are allowed"),
        ("max", "its answers are 2.60 nats a token from the base (max); at most 2.5 are allowed"),
    ],
)
def test_nats_a_token_have_limits_of_their_own(name: str, words: str) -> None:
    kl = PER_TOKEN.model_copy(update={f"token_{name}": 2.6 if name == "max" else 0.6})
    found = evaluation(base=comparison("base").model_copy(update={"kl": kl}))
    (breach,) = breaches(found, Limits())
    assert (breach.name, breach.words) == (f"kl_per_token_{name}", words)
    assert broken(found, **{f"kl_per_token_{name}": "off"}) == []


def test_long_answers_that_stray_little_a_token_are_let_through() -> None:
    long = PER_TOKEN.model_copy(update={"mean": 60.0, "median": 60.0, "max": 130.0})
    assert broken(evaluation(base=comparison("base").model_copy(update={"kl": long}))) == []


def test_a_limit_of_an_answer_that_was_set_before_there_was_one_of_a_token_stands_alone() -> None:
    strayed = PER_TOKEN.model_copy(update={"token_mean": 0.9})
    found = evaluation(base=comparison("base").model_copy(update={"kl": strayed}))
    assert broken(found) == ["kl_per_token_mean"]
    assert broken(found, kl_mean=100) == []
    assert broken(found, kl_mean=8) == ["kl_mean"]
    assert broken(found, kl_mean="off") == []
    assert broken(found, kl_mean=100, kl_per_token_mean=0.8) == ["kl_per_token_mean"]
    fallen = evaluation(comparison(chosen=-22, chosen_token=-0.6))
    assert broken(fallen) == ["chosen_drop_per_token"]
    assert broken(fallen, chosen_drop=20) == ["chosen_drop"]
    assert broken(evaluation(comparison(chosen=-22, chosen_token=-0.03))) == []  # long answers


def test_what_is_set_twice_is_said() -> None:
    assert Limits().notes == Limits(kl_mean=40.0).notes == Limits(kl_per_token_mean=0.3).notes == ()
    assert Limits(kl_mean=40.0, kl_per_token_mean=0.3).notes == (
        "limits.kl_mean (40 nats an answer) and limits.kl_per_token_mean (0.3 nats a token) are both set in "
        'prefloop.toml and both hold; leave out one, or set it to "off", and restart',
    )


def test_few_pairs_refuse_nothing_by_chance() -> None:
    assert broken(evaluation(comparison(hits=1, pairs=3))) == []
    assert broken(evaluation(comparison(hits=10, pairs=30))) == []
    assert broken(evaluation(comparison(hits=8, pairs=30))) == ["accuracy"]


def test_without_held_out_pairs_only_the_answers_count() -> None:
    blind = comparison().model_copy(update={"heldout": Agreement(pairs=0), "accuracy": None, "margin": None})
    assert broken(evaluation(blind, base=blind)) == []
    assert broken(evaluation(blind, base=blind, eos_rate=0.2)) == ["eos_drop"]


def test_where_the_base_serves_a_breach_is_said_once() -> None:
    worse = comparison("base", hits=2)
    found = Evaluation(manner=PLAIN, against_base=worse, against_champion=worse)
    assert broken(found) == ["accuracy"]


def test_each_number_says_against_which_of_two_rivals_it_is() -> None:
    found = breaches(evaluation(comparison(hits=2, margin=-7), base=comparison("base", hits=3, margin=-9)), Limits())
    assert {breach.key: breach.value for breach in found} == pytest.approx(
        {
            "accuracy against round-000001": wilson(2, 20, 0.95)[1],
            "margin against round-000001": -5,
            "accuracy against base": wilson(3, 20, 0.95)[1],
            "margin against base": -7,
        }
    )


def test_a_number_that_only_one_rival_is_asked_for_names_none() -> None:
    assert [breach.key for breach in breaches(evaluation(mean_length=66), Limits())] == ["longer"]


@given(st.floats(0.05, 20), st.floats(0.05, 0.95))
def test_a_length_is_refused_on_exactly_one_side(ratio: float, limit: float) -> None:
    found = evaluation(mean_length=PLAIN.mean_length * ratio)
    names = broken(found, longer=limit, shorter=limit)
    assert names == (["longer"] if ratio - 1 > limit else ["shorter"] if 1 - ratio > limit else [])


@pytest.mark.parametrize(("key", "value"), [("accuracy", 1.5), ("kl_mean", 0), ("longer", -1), ("nonsense", 1)])
def test_a_bad_limit_is_an_error(key: str, value: float) -> None:
    with pytest.raises(ValidationError, match=key):
        Limits.model_validate({key: value})
