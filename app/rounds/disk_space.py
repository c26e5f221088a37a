"""Check before a round starts whether its files fit on the disk.

The estimate is an upper bound of what the trainer and the installation of the version will write; see
trainer/algorithms/training_run.py for the contents of a checkpoint.
"""

from pathlib import Path

from app.rounds.planner import parent_of
from app.serving.adapter_store import AdapterStore
from app.serving.engine import BASE
from data.errors import ConflictError
from data.support.disk import free_bytes
from trainer.interface.config import PPOConfig, RoundConfig
from trainer.model.base import Base
from trainer.model.linear_map import lora_targets

_WEIGHT = 4  # bytes of an adapter's weight, in float32
_CHECKPOINT = 4  # weights, AdamW's two moments, and the best weights so far
_CHECKPOINTS = 2  # the next one is written before the last one is deleted
_COPIES = 2  # the trained adapter in its round and among the versions
_REST = 16_000_000  # bytes of texts, metrics, log and the store's growth
_MB = 1_000_000


class RoundDiskSpace:
    """Disk space for rounds of one base model."""

    def __init__(self, directory: Path, base: Base, adapter_store: AdapterStore) -> None:
        """directory: where all rounds are written."""
        linears = lora_targets(base.model).values()
        self._weights_by_rank = sum(one.in_features + one.out_features for one in linears)
        self._directory = directory
        self._adapter_store = adapter_store

    def assert_fits(self, config: RoundConfig) -> None:
        """Raise ConflictError with the missing amount when the files of such a round would not fit."""
        needed, free = self.needed(config), free_bytes(self._directory)
        if needed > free:
            raise ConflictError(
                "A round needs up to {needed} MB of disk for its checkpoints and versions, and {free} MB are free in "
                "{place}. Make room there, or lower rank in [training].",
                needed=-(-needed // _MB),
                free=free // _MB,
                place=str(self._directory),
            )

    def needed(self, config: RoundConfig) -> int:
        """Return the maximum number of bytes that a round writes."""
        training = config.training
        adapter = _WEIGHT * training.rank * self._weights_by_rank
        # PPO trains a reward model first, and its last checkpoint is kept
        trained = 2 if isinstance(training, PPOConfig) else 1
        before = sum(map(self._size, {parent_of(config), config.champion} - {BASE}))
        return trained * adapter * (_CHECKPOINT * _CHECKPOINTS + _COPIES) + before + _REST

    def _size(self, name: str) -> int:
        return sum(file.stat().st_size for file in self._adapter_store.path(name).rglob("*") if file.is_file())
