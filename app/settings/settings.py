"""Settings: the keys of `prefloop.toml` in the home directory and of the command line, with their defaults.

An unknown key or an invalid value is an error that names it.
"""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from app.annotation.queue_settings import QueueSettings
from app.background.webhooks import Hooks
from app.maintenance.backups import BackupSettings
from app.rounds.schedule import RoundSettings
from app.rounds.serve_during_training import ServeDuringTraining
from app.rounds.training_settings import training_of
from app.settings_file import FILE
from app.tls import Tls
from app.versions.limits import Limits
from app.versions.promotion import Promotion
from data.annotation.validate_judgment import LONGEST_REASON
from data.containers.container import FileLimits
from data.errors import InputError
from data.records import Sampling
from data.support.settings_types import IN_OUR_WORDS, Fraction, Positive, Strict
from trainer.interface.model_settings import ModelOptions, ModelSettings


def _good_training(given: dict[str, Any]) -> dict[str, Any]:
    """Check keys and values, which does not depend on the model's size; the defaults do."""
    try:
        training_of(given, parameters=1)
    except InputError as error:
        raise PydanticCustomError(IN_OUR_WORDS, "{words}", {"words": str(error)}) from error
    return given


class EvaluationSettings(Strict):
    """How a new version is evaluated. answers: fresh answers per contender; evaluation time grows with it.

    None: 64, or 32 for a model with long answers.
    """

    answers: Annotated[int, Field(ge=2)] | None = None


_MB = 1_000_000
_OF_MODEL = frozenset(ModelOptions.model_fields)


class ImportSettings(Strict):
    """Maximum size of an imported file, in millions of bytes: of the file, unpacked, and of each row."""

    file_mb: Positive = 4_000
    unpacked_mb: Positive = 32_000
    row_mb: Positive = 8

    @property
    def limits(self) -> FileLimits:
        """The limits in bytes."""
        return FileLimits(self.file_mb * _MB, self.unpacked_mb * _MB, self.row_mb * _MB)


class Settings(Strict):
    """All settings; docs/operations.md describes them.

    training: the keys as given; app.rounds.training_settings adds the defaults when the model's size is known.
    max_rank: None: the rank of the training. model: a bare string is the name, with defaults for the rest.
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
            raise PydanticCustomError(IN_OUR_WORDS, "tls_key needs tls_cert; name the certificate as well")
        return self

    @property
    def tls(self) -> Tls | None:
        """The certificate and key for TLS; None: plain HTTP."""
        return None if self.tls_cert is None else Tls(self.tls_cert.expanduser().resolve(), self.tls_key)

    @property
    def flags(self) -> frozenset[str]:
        """The keys given on the command line; "model" is the name alone."""
        return self._flags


def load_settings(home: Path, **flags: object) -> Settings:
    """Load the settings of a home: its prefloop.toml, overridden by flags that are not None.

    The flag `model` is the model's name; flags named like other keys of `[model]` set those.
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
    """Return the file's section `[model]` with the command line's values over it; nothing if there are none."""
    over = {"name" if key == "model" else key: given[key] for key in given.keys() & {"model", *_OF_MODEL}}
    section = written.get("model", {})
    return {"model": {**(section if isinstance(section, dict) else {"name": section}), **over}} if over else {}


def _in_words(kind: str, location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(map(str, location))
    if kind == "extra_forbidden":
        known = ModelSettings.model_fields if location[0] == "model" else Settings.model_fields
        return f"unknown key {key}; known keys are {', '.join(known)}"
    return message if kind == IN_OUR_WORDS else f"{key}: {message}"
