"""What a round is said to take of the disk, over real adapters of a random model."""

from pathlib import Path

import pytest

from app.rounds.disk_space import RoundDiskSpace
from app.rounds.planner import Planner
from app.rounds.training_settings import TrainingSettings
from app.serving.adapter_store import AdapterStore
from data.errors import ConflictError
from data.store import PreferenceStore
from tests.trainer.scene import freeze
from trainer.interface.config import DPOConfig, RoundConfig
from trainer.model.base import load_base
from trainer.process import StopSignal, carry_through

CONFIG = RoundConfig(model="random", revision="0", seed=0, training=DPOConfig(rank=4))


@pytest.fixture
def disk(model: Path, adapter_store: AdapterStore, tmp_path: Path) -> RoundDiskSpace:
    return RoundDiskSpace(tmp_path / "rounds", load_base(str(model)), adapter_store)


def test_a_round_that_does_not_fit_is_refused_with_what_is_missing(
    disk: RoundDiskSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.assert_fits(CONFIG)
    monkeypatch.setattr("app.rounds.disk_space.free_bytes", lambda _: 9_500_000)
    with pytest.raises(ConflictError, match=rf"needs up to \d+ MB .* 9 MB are free in {tmp_path}/rounds"):
        disk.assert_fits(CONFIG)


def test_a_larger_rank_needs_more(disk: RoundDiskSpace) -> None:
    larger = CONFIG.model_copy(update={"training": DPOConfig(rank=8)})
    assert disk.needed(larger) > disk.needed(CONFIG)


def test_what_trains_on_a_version_needs_room_for_its_copy(disk: RoundDiskSpace, adapter_store: AdapterStore) -> None:
    adapter_store.path("v1").mkdir(parents=True)
    (adapter_store.path("v1") / "weights").write_bytes(b"x" * 1000)
    beside = CONFIG.model_copy(update={"champion": "v1"})
    assert disk.needed(beside) == disk.needed(CONFIG) + 1000


def test_a_round_takes_no_more_than_was_said(disk: RoundDiskSpace, model: Path, tmp_path: Path) -> None:
    base = load_base(str(model))
    training = DPOConfig(epochs=1, rank=4, alpha=8, checkpoint_every=1)
    directory = freeze(tmp_path / "round", base, config=training)
    carry_through(directory, StopSignal(), base=base)

    taken = sum(file.stat().st_size for file in directory.path.rglob("*") if file.is_file())
    taken += directory.checkpoint.stat().st_size  # the next one, before this one goes
    assert taken <= disk.needed(CONFIG)


def test_a_round_is_planned_only_where_it_fits(
    disk: RoundDiskSpace, store: PreferenceStore, adapter_store: AdapterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = TrainingSettings({"rank": 4}, 1_600_000)
    planner = Planner(
        store.versions,
        adapter_store,
        template=CONFIG,
        training_settings=trainings,
        max_rank=8,
        assert_fits=disk.assert_fits,
    )
    assert planner.plan(None, champion="base")
    monkeypatch.setattr("app.rounds.disk_space.free_bytes", lambda _: 0)
    with pytest.raises(ConflictError, match="MB of disk"):
        planner.plan(None, champion="base")
