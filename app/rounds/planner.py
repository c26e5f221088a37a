"""Decide what a round is frozen with: settings, reference, and requirements on the judgments.

All of it is decided when the round starts and is stored in its record, so that a server that finds an unfinished round
freezes the same. RoundRunner calls it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from app.rounds.algorithms import Algorithm
from app.rounds.training_settings import TrainingSettings
from app.serving.adapter_store import AdapterStore
from app.serving.engine import BASE
from app.settings_file import HERE, TOP, SettingsFile
from data.errors import ConflictError, RoundError
from data.records import AdapterVersion, Round, Snapshot
from data.rounds.selection import Selection
from data.rounds.selection_checks import Admission, decided_pairs, pairs_or_ratings
from data.rounds.selection_rules import TAKE_ALL, SelectionRules
from data.versions.versions import Versions
from trainer.interface.config import (
    CDPOConfig,
    FromBase,
    FromMerged,
    FromVersion,
    KTOConfig,
    Reference,
    RobustConfig,
    RoundConfig,
    TrainingConfig,
    label_smoothing,
)
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import lines_of_store

_CHAMPION = "champion"


class Planner:
    """Plans rounds. template: settings that all rounds share, with the seed of round 0; rules: which pairs they use.

    assert_fits: raises ConflictError for a round whose files do not fit on the disk.
    """

    def __init__(
        self,
        versions: Versions,
        adapter_store: AdapterStore,
        *,
        template: RoundConfig,
        training_settings: TrainingSettings,
        max_rank: int,
        rules: SelectionRules = TAKE_ALL,
        file: SettingsFile = HERE,
        assert_fits: Callable[[RoundConfig], None] = lambda _: None,
    ) -> None:
        self.rules = rules
        self._assert_fits = assert_fits
        self._file = file
        self._versions = versions
        self._adapter_store = adapter_store
        self._template = template
        self._trainings = training_settings
        self._max_rank = max_rank

    @property
    def configured(self) -> Algorithm:
        """The algorithm of a round that does not name one."""
        return Algorithm(self._trainings.of().algorithm)

    def plan(self, algorithm: Algorithm | None, *, champion: str) -> RoundConfig:
        """Return the settings of a round that starts now; its reference is the base, or a version by its own name.

        Raises ConflictError when that version does not exist, the resulting rank could not be served or the disk is
        too full; AdapterError when the version's files have changed.
        """
        training = self._trainings.of(algorithm)
        training = training.model_copy(update={"reference": _named(training.reference, champion)})
        config = self._template.model_copy(update={"training": training, **self._served(champion)})
        self._assert_fits(config)
        parent = parent_of(config)
        if parent == BASE:
            self._assert_servable(training, 0)
            return config
        sha256 = self._sha256(parent)
        self._adapter_store.verify(parent, sha256)
        self._assert_servable(training, self._adapter_store.rank(parent))
        return config.model_copy(update={"parent_sha256": sha256})

    def replan(self, entry: Round, rebuilt: Mapping[str, AdapterVersion]) -> RoundConfig:
        """Return the settings of a round that repeats another, with that round's version as the champion.

        rebuilt: versions that were rebuilt already, by the name of the version each replaces; they also replace it as
        the reference. Raises ConflictError for a round without a version or of another prefloop.
        """
        try:
            config = RoundConfig.model_validate(entry.config)
        except ValidationError as error:
            raise ConflictError(f"round {entry.id} is of another version of prefloop and cannot be rebuilt") from error
        made = next((one for one in self._versions.all() if one.round_id == entry.id), None)
        if made is None:
            raise ConflictError(f"round {entry.id} has no version to compare with")
        self._assert_fits(config)
        champion: dict[str, object] = {"champion": made.name, "champion_sha256": made.sha256}
        parent = rebuilt.get(parent_of(config))
        if parent is None:
            return config.model_copy(update=champion)
        reference = config.training.reference.model_copy(update={"name": parent.name})
        training = config.training.model_copy(update={"reference": reference})
        return config.model_copy(update={"training": training, "parent_sha256": parent.sha256, **champion})

    def freeze(self, entry: Round, snapshot: Snapshot, directory: RoundDir) -> None:
        """Write the directory of a round that was created with a plan.

        Raises RoundError when another prefloop created it, AdapterError when its parent's files have changed.
        """
        try:
            planned = RoundConfig.model_validate(entry.config)
        except ValidationError as error:
            raise RoundError(f"round {entry.id} was begun by another version of prefloop; start a new one") from error
        number = entry.rebuilds_id or entry.id  # the same seed, so that a rebuilt round differs by its judgments alone
        config = planned.model_copy(update={"seed": planned.seed + number, "flip_rate": snapshot.flip_rate})
        parent = parent_of(config)
        directory.freeze(
            config,
            lines_of_store(snapshot),
            parent=self._verified(parent, config.parent_sha256),
            champion=self._verified(config.champion, config.champion_sha256),
        )

    def _verified(self, name: str, sha256: str | None) -> Path | None:
        """Return the files of a version; None for the base, which has none."""
        return None if sha256 is None else self._adapter_store.verify(name, sha256)

    def _served(self, champion: str) -> dict[str, str | None]:
        """Return the settings that record which version serves, to compare the new version with."""
        sha256 = None if champion == BASE else self._versions.by_name(champion).sha256
        return {"champion": champion, "champion_sha256": sha256}

    def _sha256(self, name: str) -> str:
        known = {version.name: version.sha256 for version in self._versions.all()}
        if not known.get(name):
            raise ConflictError(
                f"reference version {name} does not exist; name another in [training.reference] "
                f'(there is {", ".join(known)}), or "champion" for the one that serves'
            )
        return str(known[name])

    def _assert_servable(self, training: TrainingConfig, parent_rank: int) -> None:
        """Raise ConflictError when the resulting adapter's rank would be too high to be served."""
        match training.reference:
            case FromVersion():
                rank, why = parent_rank, "that of its reference, which trains on"
            case FromMerged():
                rank, why = parent_rank + training.rank, f"its reference's {parent_rank} and {training.rank} on top"
            case _:
                rank, why = training.rank, "the training's rank"
        if rank > self._max_rank:
            raise ConflictError(
                self._file.located(
                    f"the adapter would have rank {rank} ({why}), and the largest that is served is {self._max_rank}; "
                    f"set max_rank = {rank} or more {TOP}, or choose another reference or rank in [training]"
                )
            )


def admission(training: TrainingConfig) -> Admission:
    """Return the check of a training on the judgments: pairs or ratings, and a flip rate if it needs one."""

    def admit(selection: Selection, flip_rate: float | None) -> None:
        if isinstance(training, KTOConfig):
            pairs_or_ratings(selection, flip_rate)
        else:
            decided_pairs(selection, flip_rate)
        if isinstance(training, CDPOConfig | RobustConfig):
            try:
                label_smoothing(training, flip_rate)
            except RoundError as error:  # the trainer would raise the same, later
                raise ConflictError(str(error)) from error

    return admit


def parent_of(config: RoundConfig) -> str:
    """Return the version that a round starts from."""
    match config.training.reference:
        case FromVersion(name=name) | FromMerged(name=name):
            return name
        case _:
            return BASE


def _named(reference: Reference, champion: str) -> Reference:
    """Replace "champion" in a reference by the version's own name."""
    if isinstance(reference, FromBase):
        return reference
    name = champion if reference.name == _CHAMPION else reference.name
    return FromBase() if name == BASE else reference.model_copy(update={"name": name})
