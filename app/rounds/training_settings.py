"""Training settings from the section `[training]`: validated, with defaults, or for another algorithm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from app.rounds.algorithms import Algorithm
from data.errors import InputError
from trainer.interface.config import RewardConfig, TrainingConfig, training_config

SHARED = ("rank", "alpha", "token_budget", "max_tokens", "gradient_checkpointing", "checkpoint_every", "reference")
"""Keys of `[training]` that apply to every algorithm: what fits on the machine, and the reference. The others tune the
algorithm they were written for: a learning rate that is right for DPO is wrong for PPO."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Training settings for a model of this size. given: the section `[training]`."""

    given: Mapping[str, object]
    parameters: int

    def of(self, algorithm: Algorithm | None = None) -> TrainingConfig:
        """Return the configured training (None), or that of another algorithm.

        Missing values get the default for algorithm and size; for another algorithm only the SHARED settings are kept.
        """
        configured = training_of(self.given, parameters=self.parameters)
        if algorithm is None or algorithm == configured.algorithm:
            return configured
        kept = {key: value for key, value in self.given.items() if key in SHARED}
        return training_of({**kept, "algorithm": algorithm.value}, parameters=self.parameters)


def training_of(given: Mapping[str, object], *, parameters: int) -> TrainingConfig:
    """Validate the keys of `[training]` and add the defaults.

    Raises InputError naming each key that is unknown or has an invalid value.
    """
    try:
        return training_config(given, parameters=parameters)
    except ValidationError as error:
        words = [_in_words(given, problem["type"], problem["loc"], problem["msg"]) for problem in error.errors()]
        raise InputError("; ".join(words)) from error


def _in_words(given: Mapping[str, object], kind: str, location: Sequence[int | str], message: str) -> str:
    path = _path(given, location)
    if kind == "union_tag_invalid" and not path:
        return f"training.algorithm: there is no {given['algorithm']!r}; choose one of {', '.join(Algorithm)}"
    key = ".".join(("training", *path))
    if kind == "extra_forbidden":
        return f"unknown key {key}; known keys of {_owner(given, path)} are {', '.join(_known(given, path))}"
    return f"{key}: {message.removeprefix('Value error, ')}"


def _path(given: object, location: Sequence[int | str]) -> tuple[str, ...]:
    """Return the keys that lead to the error; pydantic's location also contains the types it tried."""
    path = []
    for part in location:
        if isinstance(given, Mapping) and part in given:
            path.append(str(part))
            given = given[part]
    return tuple(path)


def _owner(given: Mapping[str, object], path: tuple[str, ...]) -> str:
    return path[-2] if len(path) > 1 else str(given.get("algorithm", Algorithm.DPO))


def _known(given: Mapping[str, object], path: tuple[str, ...]) -> list[str]:
    """Return the valid keys at the level of the last one."""
    match path[:-1]:
        case (*_, "reference"):
            return ["kind (version or merged)", "name"]
        case (*_, "reward"):
            return list(RewardConfig.model_fields)
        case _:
            plain = training_config({"algorithm": given.get("algorithm", Algorithm.DPO)}, parameters=0)
            return list(type(plain).model_fields)
