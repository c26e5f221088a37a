"""What the API says of quality: the measures as JSON. Knows nothing of how they are made."""

from collections.abc import Iterable
from typing import Protocol

from pydantic import BaseModel

from data.quality.annotator import AnnotatorQuality, Stretch
from data.quality.bias import LengthBias
from data.quality.findings import Finding, FindingKind
from data.quality.over_time import Span
from data.records import Annotator, Choice, Quarantine, Role


class Measured(BaseModel):
    """A share or a probability in 0-1 with its 95 % interval. of: the judgments it is known from."""

    value: float
    low: float
    high: float
    of: int


class LengthOut(BaseModel):
    """By what factor the odds of an answer grow when it is twice as long, with the 95 % interval."""

    odds: float
    low: float
    high: float
    of: int


class FindingOut(BaseModel):
    """What stands out: a value in 0-1, its 99 % interval and the bound it is beyond."""

    kind: FindingKind
    value: float
    low: float
    high: float
    bound: float
    of: int


class StretchOut(BaseModel):
    """Some judgments of one person in a row. Times in ms since the Unix epoch."""

    begun_at: int
    ended_at: int
    judgments: int
    agreement: Measured | None
    left: Measured | None
    seconds: float | None


class SpanOut(BaseModel):
    """Some shared pairs in the order they came to be shared. Times in ms since the Unix epoch.

    low, high: the 95 % interval of the agreement.
    """

    begun_at: int
    ended_at: int
    items: int
    agreement: float | None
    low: float | None
    high: float | None
    alpha: float | None


class QuarantineOut(BaseModel):
    """Since when, and why, somebody's judgments stay out of rounds; by: the admin's pseudonym."""

    reason: str
    by: str | None
    created_at: int


class RoundUse(BaseModel):
    """A round and how many of somebody's judgments it was given."""

    round: int
    judgments: int


class QuarantinedOut(BaseModel):
    """rounds: those that had been given the person's judgments before, and keep them."""

    quarantine: QuarantineOut
    rounds: list[RoundUse]


class AnnotatorOut(BaseModel):
    """One person's measures; see data/quality/annotator.py. What is not known is null."""

    id: int
    login: str
    pseudonym: str
    role: Role
    disabled: bool
    judgments: int
    choices: dict[Choice, int]
    left: Measured | None
    longer: Measured | None
    undecided: Measured | None
    length: LengthOut | None
    reliability: Measured | None
    agreement: Measured | None
    kappa: float | None
    repeats: Measured | None
    gold: Measured | None
    seconds: float | None
    pace: float | None
    too_fast: Measured | None
    course: list[StretchOut]
    findings: list[FindingOut]
    quarantine: QuarantineOut | None
    rounds: list[RoundUse]


class QualityOut(BaseModel):
    """All judgments at once. shared: pairs that two or more people judged; waiting: those that wait for a second."""

    judgments: int
    items: int
    shared: int
    waiting: int
    agreement: float | None
    fleiss: float | None
    alpha: float | None
    left: Measured | None
    length: LengthOut | None
    course: list[SpanOut]
    annotators: list[AnnotatorOut]


class _Interval(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def of(self) -> int: ...


def measured(interval: _Interval | None) -> Measured | None:
    """A share or reliability as it is sent."""
    if interval is None:
        return None
    return Measured(value=interval.value, low=interval.low, high=interval.high, of=interval.of)


def length_out(bias: LengthBias | None) -> LengthOut | None:
    """A length bias as it is sent."""
    return None if bias is None else LengthOut(odds=bias.odds, low=bias.low, high=bias.high, of=bias.of)


def span_out(span: Span) -> SpanOut:
    """A span of the course of all as it is sent."""
    return SpanOut(
        begun_at=span.begun_at,
        ended_at=span.ended_at,
        items=span.items,
        agreement=span.agreement,
        low=span.low,
        high=span.high,
        alpha=span.alpha,
    )


def quarantine_out(quarantine: Quarantine, by: str | None) -> QuarantineOut:
    """A quarantine as it is sent; by: the pseudonym of the admin who made it."""
    return QuarantineOut(reason=quarantine.reason, by=by, created_at=quarantine.created_at)


def annotator_out(
    person: Annotator,
    own: AnnotatorQuality,
    *,
    findings: Iterable[Finding],
    quarantine: QuarantineOut | None,
    rounds: list[RoundUse],
) -> AnnotatorOut:
    """One person's measures as they are sent."""
    return AnnotatorOut(
        id=person.id,
        login=person.login,
        pseudonym=person.pseudonym,
        role=person.role,
        disabled=person.disabled_at is not None,
        judgments=own.judgments,
        choices=dict(own.choices),
        left=measured(own.left),
        longer=measured(own.longer),
        undecided=measured(own.undecided),
        length=length_out(own.length),
        reliability=measured(own.reliability),
        agreement=measured(own.agreement),
        kappa=own.kappa,
        repeats=measured(own.repeats),
        gold=measured(own.gold),
        seconds=own.seconds,
        pace=own.pace,
        too_fast=measured(own.too_fast),
        course=[_stretch_out(stretch) for stretch in own.course],
        findings=[_finding_out(finding) for finding in findings],
        quarantine=quarantine,
        rounds=rounds,
    )


def _stretch_out(stretch: Stretch) -> StretchOut:
    return StretchOut(
        begun_at=stretch.begun_at,
        ended_at=stretch.ended_at,
        judgments=stretch.judgments,
        agreement=measured(stretch.agreement),
        left=measured(stretch.left),
        seconds=stretch.seconds,
    )


def _finding_out(finding: Finding) -> FindingOut:
    return FindingOut(
        kind=finding.kind,
        value=finding.value,
        low=finding.low,
        high=finding.high,
        bound=finding.bound,
        of=finding.of,
    )
