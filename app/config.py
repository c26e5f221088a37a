"""Settings: what `prefloop.toml` in the home directory and the command line may say, with their defaults.

An unknown key or a bad value is an error that names it. Knows nothing of what the settings are used for.
"""

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from app.limits import Limits
from app.schedule import RoundSettings
from app.tls import Tls
from app.training import training_of
from app.webhooks import Hooks
from data.containers.container import FileLimits
from data.errors import InputError
from data.queue import QueueRules
from data.records import Sampling
from data.strategies import StrategyName
from data.verdicts import LONGEST_REASON
from trainer.model_settings import ModelOptions, ModelSettings
from trainer.settings_types import Fraction, Positive, Strict

FILE = "prefloop.toml"
_WORDS = "in our words"


def _good_training(given: dict[str, Any]) -> dict[str, Any]:
    """Whether a key is known and a value good does not depend on the model's size; the defaults do."""
    try:
        training_of(given, parameters=1)
    except InputError as error:
        raise PydanticCustomError(_WORDS, "{words}", {"words": str(error)}) from error
    return given


class ShownReasoning(StrEnum):
    """What annotators see of the reasoning before an answer: nothing, what they unfold, or all at once."""

    HIDDEN = "hidden"
    FOLDED = "folded"
    OPEN = "open"


class QueueSettings(Strict):
    """What annotators are given: see data/queue.py for the rules.

    overlap: the share of new pairs that overlap_judgments people judge. gold_feedback: whether people are told at
    once what a known pair was expected to be. trial: in place of evaluation while a version is on trial. reasoning:
    what they see of it; hidden reasoning is not sent to them at all.
    """

    strategy: StrategyName = StrategyName.RANDOM
    explore: Fraction = 0.2
    overlap: Fraction = 0.1
    overlap_judgments: Annotated[int, Field(ge=2)] = 2
    gold: Fraction = 0.05
    gold_feedback: bool = True
    reask: Fraction = 0.03
    reask_after: Positive = 10
    evaluation: Fraction = 0.05
    trial: Fraction = 0.3
    reasoning: ShownReasoning = ShownReasoning.FOLDED

    @model_validator(mode="after")
    def _leave_room(self) -> "QueueSettings":
        if self.gold + self.reask + max(self.evaluation, self.trial) > 1:
            words = "gold, reask and evaluation (or trial) in [queue] together are more than 1; lower one"
            raise PydanticCustomError(_WORDS, words)
        return self

    @property
    def rules(self) -> QueueRules:
        """The settings as the queue takes them."""
        return QueueRules(
            strategy=self.strategy,
            explore=self.explore,
            gold=self.gold,
            reask=self.reask,
            reask_after=self.reask_after,
            evaluation=self.evaluation,
        )

    @property
    def trial_rules(self) -> QueueRules:
        """The same while a version is on trial."""
        return replace(self.rules, evaluation=self.trial)


class EvaluationSettings(Strict):
    """How a round's version is measured. answers: fresh ones of each who is compared; the time grows with them.

    None: 64, or 32 of a model whose answers are long.
    """

    answers: Annotated[int, Field(ge=2)] | None = None


class Promotion(StrEnum):
    """What becomes of a version that broke no limit: it serves (GATE), is put on TRIAL, or waits for an admin.

    One that broke a limit is refused whatever this says.
    """

    GATE = "gate"
    TRIAL = "trial"
    BY_HAND = "by_hand"


class ServeDuringTraining(StrEnum):
    """KEEP: the model stays and answers. BUFFER: it stays, but answers only who would have to wait otherwise.

    OFFLOAD: its weights go to the CPU's memory; people judge what lies ready, and nothing is sampled.
    """

    KEEP = "keep"
    BUFFER = "buffer"
    OFFLOAD = "offload"


_MB = 1_000_000
_OF_MODEL = frozenset(ModelOptions.model_fields)


class ImportSettings(Strict):
    """How large a file may be that is imported, in millions of bytes: as it is, unpacked, and each row of it."""

    file_mb: Positive = 4_000
    unpacked_mb: Positive = 32_000
    row_mb: Positive = 8

    @property
    def limits(self) -> FileLimits:
        """The same in bytes."""
        return FileLimits(self.file_mb * _MB, self.unpacked_mb * _MB, self.row_mb * _MB)


class BackupSettings(Strict):
    """When the server backs its home up: every so many hours, never if None; where to, beside the home if None.

    keep: so many are kept, the newest.
    """

    every_hours: Positive | None = None
    directory: Path | None = None
    keep: Positive = 7


class Settings(Strict):
    """Everything that can be set; docs/operations.md has the same list in words.

    training holds the keys as given; app.training completes them when the model's size is known. max_rank: that of
    the training, if None. model: a bare string is the name, all else as it is.
    """

    model: ModelSettings = ModelSettings()
    prompts: Path | None = None
    probes: Path | None = None
    host: str = "127.0.0.1"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    buffer: Positive = 16
    goal: Positive = 50
    turns: Positive = 4
    reasons: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)], ...], Field(max_length=12)
    ] = (
        "More helpful",
        "Correct",
        "Safer",
        "Better style",
        "Follows the instruction",
        "Right length",
    )
    lease_minutes: Positive = 10
    session_hours: Positive = 168
    heldout_share: Fraction = 0.15
    max_rows: Annotated[int, Field(ge=2)] = 8
    max_adapters: Annotated[int, Field(ge=2)] = 4
    max_rank: Positive | None = None
    seed: int = 0
    trainer: Annotated[tuple[str, ...], Field(min_length=1)] = (sys.executable, "-m", "trainer")
    sampling: Sampling = Sampling()
    queue: QueueSettings = QueueSettings()
    webhooks: Hooks = ()
    serve_during_training: ServeDuringTraining = ServeDuringTraining.KEEP
    promotion: Promotion = Promotion.GATE
    rounds: RoundSettings = RoundSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    limits: Limits = Limits()
    imports: ImportSettings = ImportSettings()
    backup: BackupSettings = BackupSettings()
    roll_back: bool = True
    trial_votes: Positive = 400
    training: Annotated[dict[str, Any], AfterValidator(_good_training)] = Field(default_factory=dict)
    _flags: frozenset[str] = PrivateAttr(frozenset())

    @model_validator(mode="after")
    def _no_key_alone(self) -> "Settings":
        if self.tls_key is not None and self.tls_cert is None:
            raise PydanticCustomError(_WORDS, "tls_key is of no use without tls_cert; name the certificate, too")
        return self

    @property
    def tls(self) -> Tls | None:
        """What the server encrypts with, None if it speaks plain HTTP."""
        return None if self.tls_cert is None else Tls(self.tls_cert.expanduser().resolve(), self.tls_key)

    @property
    def flags(self) -> frozenset[str]:
        """The keys that the command line gave; "model" is the name alone."""
        return self._flags


def load_settings(home: Path, **flags: object) -> Settings:
    """Settings of a home: its prefloop.toml, overridden by flags that are not None.

    The flag `model` is the name alone; those named as other keys of `[model]` are these.
    Raises InputError naming the file and the key.
    """
    file = home / FILE
    try:
        written = tomllib.loads(file.read_text()) if file.exists() else {}
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    given = {key: value for key, value in flags.items() if value is not None}
    said = {key: value for key, value in given.items() if key not in _OF_MODEL} | _model_section(written, given)
    try:
        settings = Settings.model_validate({**written, **said})
    except ValidationError as error:
        problems = "; ".join(_in_words(problem["type"], problem["loc"], problem["msg"]) for problem in error.errors())
        raise InputError(f"{file}: {problems}") from error
    settings._flags = frozenset(f"model.{key}" if key in _OF_MODEL else key for key in given)
    return settings


def _model_section(written: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """The section `[model]` of the file with what the command line says of it; nothing if that says nothing."""
    over = {"name" if key == "model" else key: given[key] for key in given.keys() & {"model", *_OF_MODEL}}
    section = written.get("model", {})
    return {"model": {**(section if isinstance(section, dict) else {"name": section}), **over}} if over else {}


def _in_words(kind: str, location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(map(str, location))
    if kind == "extra_forbidden":
        known = ModelSettings.model_fields if location[0] == "model" else Settings.model_fields
        return f"unknown key {key}; known keys are {', '.join(known)}"
    return message if kind == _WORDS else f"{key}: {message}"
