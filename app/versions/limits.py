"""Limits on a challenger's evaluation, checked before every automatic promotion.

A version that breaks a limit is rejected, with the reason in words. The numbers come from
trainer/evaluation/evaluation.py; promotion.py acts on the result.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from data.support.settings_types import Above, AtLeast, Fraction, Strict
from trainer.interface.manifest import Evaluation, Manner, RivalScores

Off = Literal["off"]


class Limits(Strict):
    """How far a challenger may differ from the version that serves; "off" disables a limit.

    accuracy: held-out accuracy against that version and against the base; broken when the whole 95 % interval lies
    below, so that a few pairs reject nothing by chance. margin: the same for the margin in nats. kl_per_token_mean,
    kl_per_token_median, kl_per_token_max: nats per token from the base; kl_mean, kl_median, kl_max: nats per answer.
    chosen_drop_per_token: by how many nats per token the chosen held-out answers may become less likely; chosen_drop:
    per answer, on average. If only the limit per answer is set, the one per token is off, as before it existed.
    longer, shorter: by what share of its mean length; eos_drop: by how much the share of answers that end with EOS may
    fall; repetition: by how much the repeated share of an answer may rise; distinct_drop: by what share its distinct
    word pairs may fall.
    """

    accuracy: Fraction | Off = 0.5
    margin: float | Off = 0.0
    kl_per_token_mean: Above | Off = 0.5
    kl_per_token_median: Above | Off = 0.5
    kl_per_token_max: Above | Off = 2.5
    kl_mean: Above | Off = "off"
    kl_median: Above | Off = "off"
    kl_max: Above | Off = "off"
    chosen_drop_per_token: AtLeast | Off = 0.5
    chosen_drop: AtLeast | Off = "off"
    longer: AtLeast | Off = 0.5
    shorter: Annotated[float, Field(ge=0, le=1)] | Off = 0.7
    eos_drop: Fraction | Off = 0.15
    repetition: Fraction | Off = 0.1
    distinct_drop: Fraction | Off = 0.4

    @model_validator(mode="before")
    @classmethod
    def _an_old_limit_stands_alone(cls, given: Any) -> Any:  # noqa: ANN401  # any value a settings file may hold
        if not isinstance(given, Mapping):
            return given
        alone = {new: "off" for old, new in _PER_TOKEN.items() if old in given and new not in given}
        return {**given, **alone}

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for an admin about limits that are set twice."""
        both = [(old, new) for old, new in _PER_TOKEN.items() if "off" not in (getattr(self, old), getattr(self, new))]
        return tuple(
            f"limits.{old} ({getattr(self, old):g} nats an answer) and limits.{new} ({getattr(self, new):g} nats a "
            'token) are both set in prefloop.toml and both hold; leave out one, or set it to "off", and restart'
            for old, new in both
        )


_PER_TOKEN: Mapping[str, str] = {
    "kl_mean": "kl_per_token_mean",
    "kl_median": "kl_per_token_median",
    "kl_max": "kl_per_token_max",
    "chosen_drop": "chosen_drop_per_token",
}
"""Limits in nats per answer, and the limits per token that replaced them, as answers differ in length."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that was broken. name: the limit's key in [limits].

    rival: the version compared with, where the limit applies to each of several.
    """

    name: str
    value: float
    limit: float
    words: str
    rival: str | None = None

    @property
    def key(self) -> str:
        """Unique key of its number among the breaches of a version."""
        return self.name if self.rival is None else f"{self.name} against {self.rival}"


def breaches(evaluation: Evaluation, limits: Limits) -> tuple[Breach, ...]:
    """Return the limits that a challenger breaks; empty if it may be promoted."""
    return tuple(found for check in _CHECKS for found in check(evaluation, limits))


def _agreement(evaluation: Evaluation, limits: Limits) -> Iterator[Breach]:
    for against in _rivals(evaluation):
        if limits.accuracy != "off" and against.accuracy is not None and against.accuracy.high < limits.accuracy:
            words = _accuracy_words(against, limits.accuracy)
            yield Breach("accuracy", against.accuracy.high, limits.accuracy, words, against.rival)
        if limits.margin != "off" and against.margin is not None and against.margin.high < limits.margin:
            words = _margin_words(against, limits.margin)
            yield Breach("margin", against.margin.high, limits.margin, words, against.rival)


def _accuracy_words(against: RivalScores, limit: float) -> str:
    share, high = against.heldout.accuracy or 0.0, against.accuracy.high if against.accuracy else 0.0
    return (
        f"compared with {against.rival}, it moved towards the preferred answer in only {share:.0%} of "
        f"{against.heldout.pairs} held-out pairs (surely at most {high:.0%}; at least {limit:.0%} is asked)"
    )


def _margin_words(against: RivalScores, limit: float) -> str:
    margin = against.heldout.margin or 0.0
    return (
        f"compared with {against.rival}, its margin on {against.heldout.pairs} held-out pairs is {margin:+.1f} nats, "
        f"surely below the {limit:+.1f} that are asked"
    )


def _divergence(evaluation: Evaluation, limits: Limits) -> Iterator[Breach]:
    kl = evaluation.against_base.kl
    for which, value, limit in (
        ("mean", kl.mean, limits.kl_mean),
        ("median", kl.median, limits.kl_median),
        ("max", kl.max, limits.kl_max),
    ):
        if limit != "off" and value > limit:
            words = f"its answers are {value:.0f} nats from the base ({which}); at most {limit:g} are allowed"
            yield Breach(f"kl_{which}", value, limit, words)
    for which, per_token, limit in (
        ("mean", kl.token_mean, limits.kl_per_token_mean),
        ("median", kl.token_median, limits.kl_per_token_median),
        ("max", kl.token_max, limits.kl_per_token_max),
    ):
        if limit != "off" and per_token is not None and per_token > limit:
            words = (
                f"its answers are {per_token:.2f} nats a token from the base ({which}); at most {limit:g} are allowed"
            )
            yield Breach(f"kl_per_token_{which}", per_token, limit, words)


def _likelihood(evaluation: Evaluation, limits: Limits) -> Iterator[Breach]:
    against = evaluation.against_champion
    for name, shift, limit, unit in (
        ("chosen_drop", against.heldout.chosen_shift, limits.chosen_drop, "nats"),
        ("chosen_drop_per_token", against.heldout.chosen_token_shift, limits.chosen_drop_per_token, "nats a token"),
    ):
        if limit != "off" and shift is not None and -shift > limit:
            words = (
                f"preferred answers have become {-shift:.3g} {unit} less likely than under {against.rival}; at most "
                f"{limit:g} are allowed"
            )
            yield Breach(name, -shift, limit, words)


def _length(evaluation: Evaluation, limits: Limits) -> Iterator[Breach]:
    rival = evaluation.against_champion
    change = evaluation.manner.mean_length / rival.manner.mean_length - 1
    for name, value, limit, word in (
        ("longer", change, limits.longer, "longer"),
        ("shorter", -change, limits.shorter, "shorter"),
    ):
        if limit != "off" and value > limit:
            yield Breach(
                name,
                value,
                limit,
                f"its answers are {value:.0%} {word} than those of {rival.rival}; at most {limit:.0%} are allowed",
            )


def _form(evaluation: Evaluation, limits: Limits) -> Iterator[Breach]:
    rival, before, now = evaluation.against_champion.rival, evaluation.against_champion.manner, evaluation.manner
    for name, value, limit, what in (
        ("eos_drop", before.eos_rate - now.eos_rate, limits.eos_drop, _ends),
        ("repetition", now.repetition - before.repetition, limits.repetition, _repeats),
        ("distinct_drop", _fall(before.distinct_2, now.distinct_2), limits.distinct_drop, _varies),
    ):
        if limit != "off" and value > limit:
            yield Breach(name, value, limit, what(now, before, rival, limit))


def _ends(now: Manner, before: Manner, rival: str, limit: float) -> str:
    return (
        f"only {now.eos_rate:.0%} of its answers end by themselves, of those of {rival} {before.eos_rate:.0%}; the "
        f"share may fall by {100 * limit:.0f} points"
    )


def _repeats(now: Manner, before: Manner, rival: str, limit: float) -> str:
    return (
        f"it repeats itself: {now.repetition:.0%} of an answer was there before, {before.repetition:.0%} with {rival}; "
        f"{100 * limit:.0f} points more are allowed"
    )


def _varies(now: Manner, before: Manner, rival: str, limit: float) -> str:
    return (
        f"its answers are all alike: {now.distinct_2:.0%} different word pairs, {before.distinct_2:.0%} with {rival}; "
        f"a fall by {limit:.0%} is allowed"
    )


def _fall(before: float, now: float) -> float:
    return 1 - now / before if before else 0.0


def _rivals(evaluation: Evaluation) -> tuple[RivalScores, ...]:
    """Return the champion's comparison, and the base's where the champion is not the base."""
    return (
        (evaluation.against_champion,)
        if evaluation.champion is None
        else (
            evaluation.against_champion,
            evaluation.against_base,
        )
    )


_CHECKS: tuple[Callable[[Evaluation, Limits], Iterator[Breach]], ...] = (
    _agreement,
    _divergence,
    _likelihood,
    _length,
    _form,
)
