"""Every setting with its value in effect, its default, and where the value came from."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from app.settings.settings import Settings
from trainer.interface.config import TrainingConfig

_TRAINING = "training"
_MODEL, _NAME = "model", "name"


class SettingSource(StrEnum):
    """Where a value came from: the default, prefloop.toml, or the command line."""

    DEFAULT = "default"
    FILE = "file"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting in effect. default: its value if nobody had set it. A section's keys are "section.key"."""

    key: str
    value: object
    default: object
    source: SettingSource


def effective(settings: Settings, training: TrainingConfig, default_training: TrainingConfig) -> list[EffectiveSetting]:
    """Return all settings in the order of docs/operations.md.

    training: the values in effect; default_training: the same algorithm's defaults for a model of this size.
    """
    return [*_general(settings), *_training(settings.training, training, default_training)]


def _general(settings: Settings) -> Iterator[EffectiveSetting]:
    values, defaults = (one.model_dump(mode="json", exclude={_TRAINING}) for one in (settings, Settings()))
    for name, value in values.items():
        if not isinstance(value, dict):
            source = _source(settings, name) if name in settings.model_fields_set else SettingSource.DEFAULT
            yield EffectiveSetting(name, value, defaults[name], source)
            continue
        given = _given(getattr(settings, name), value, defaults[name])
        sources = {key: _source(settings, name, key) if key in given else SettingSource.DEFAULT for key in value}
        if name == _MODEL:  # the short form, "model = NAME"
            yield EffectiveSetting(name, value[_NAME], defaults[name][_NAME], sources[_NAME])
        for key, part in value.items():
            yield EffectiveSetting(f"{name}.{key}", part, defaults[name].get(key), sources[key])


def _source(settings: Settings, name: str, key: str = "") -> SettingSource:
    """Return where a given value came from; the model's flag sets only its name."""
    flag = f"{name}.{key}" if name == _MODEL and key != _NAME else name
    by_flag = flag in settings.flags
    return SettingSource.FLAG if by_flag else SettingSource.FILE


def _given(section: object, values: Mapping[str, object], defaults: Mapping[str, object]) -> Set[str]:
    """Return the keys of a section that were set; for a plain dataclass, those that differ from the default."""
    if isinstance(section, BaseModel):
        return section.model_fields_set
    return {key for key, value in values.items() if value != defaults.get(key)}


def _training(
    given: Mapping[str, object], training: TrainingConfig, defaults: TrainingConfig
) -> Iterator[EffectiveSetting]:
    usual = defaults.model_dump(mode="json")
    for key, value in training.model_dump(mode="json").items():
        source = SettingSource.FILE if key in given else SettingSource.DEFAULT
        yield EffectiveSetting(f"{_TRAINING}.{key}", value, usual.get(key), source)
