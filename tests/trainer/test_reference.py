"""The reference's log-probabilities: computed once, kept on disk, and of the reference that the round names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import RoundError
from tests.trainer.scene import freeze, linears, random_lora, toy_pairs, toy_snapshot
from trainer.adapter import directory_sha256, write_adapter
from trainer.base import Base
from trainer.config import DPOConfig, FromMerged, FromVersion, Reference, RoundConfig
from trainer.logprobs import Packed
from trainer.memory import Budget
from trainer.policy import Policy
from trainer.reference import group_logps, reference_logps
from trainer.round import run_round
from trainer.round_dir import RoundDir
from trainer.snapshot import lines_of_store

GROUPS = [pair.group for pair in toy_pairs(5)]
CONFIG = DPOConfig(epochs=2, batch_size=4, rank=2, alpha=4, learning_rate=1e-2)


class Counted(Packed):
    """Counts its passes."""

    def __init__(self) -> None:
        self.passes = 0

    def token_logps(self, model, groups):  # type: ignore[no-untyped-def]
        self.passes += 1
        return super().token_logps(model, groups)


@pytest.fixture
def ask(base: Base, tmp_path: Path) -> Callable[..., int]:
    """Ask for the log-probabilities; how many passes that took."""
    policy = Policy.from_base(base, rank=2, alpha=4, seed=0)
    expected = group_logps(policy, Packed(), GROUPS, Budget(8192, print))

    def once(snapshot: str = "s", count: int = 5) -> int:
        forward = Counted()
        file = tmp_path / "reference.safetensors"
        budget = Budget(8192, print)
        found = reference_logps(policy, forward, GROUPS[:count], budget, file=file, snapshot_sha256=snapshot)
        assert found == {group: pytest.approx(expected[group]) for group in GROUPS[:count]}
        return forward.passes

    return once


def test_it_is_computed_once(ask: Callable[..., int]) -> None:
    assert (ask(), ask()) == (1, 0)


def test_another_snapshot_or_other_groups_are_computed_anew(ask: Callable[..., int]) -> None:
    assert (ask(), ask(snapshot="t"), ask(snapshot="t", count=4)) == (1, 1, 1)


def test_a_damaged_file_is_computed_anew(ask: Callable[..., int], tmp_path: Path) -> None:
    ask()
    file = tmp_path / "reference.safetensors"
    file.write_bytes(file.read_bytes()[:20])
    assert (ask(), ask()) == (1, 0)


def frozen(path: Path, base: Base, reference: Reference) -> RoundDir:
    """A round whose reference is a version far from the base."""
    version = path.with_name("version")
    write_adapter(version, random_lora(base.model, seed=5), base.model, base_name=base.name)
    config = RoundConfig(
        model=base.name,
        revision=base.revision,
        seed=7,
        training=CONFIG.model_copy(update={"reference": reference}),
        parent_sha256=directory_sha256(version),
    )
    directory = RoundDir(path)
    directory.freeze(config, lines_of_store(toy_snapshot()), parent=version)
    return directory


@pytest.mark.parametrize(
    ("reference", "name", "rank"),
    [
        (FromVersion(kind="version", name="round-000003"), "version round-000003", 4),
        (FromMerged(kind="merged", name="round-000003"), "base merged with round-000003", 6),
    ],
)
def test_a_round_starts_at_the_version_it_names(
    base: Base, tmp_path: Path, reference: Reference, name: str, rank: int
) -> None:
    directory = frozen(tmp_path / "round", base, reference)
    manifest = run_round(directory, lambda: False)
    assert directory.metrics()[0]["loss"] == pytest.approx(0.6931472, abs=1e-5)
    assert manifest.report.reference == name
    assert manifest.report.train.accuracy is not None and manifest.report.train.accuracy > 0.5
    assert f'"r": {rank},' in (directory.adapter / "adapter_config.json").read_text()


def test_a_version_that_was_changed_after_the_freeze_is_refused(base: Base, tmp_path: Path) -> None:
    directory = frozen(tmp_path / "round", base, FromVersion(kind="version"))
    write_adapter(directory.parent, random_lora(base.model, seed=6), base.model, base_name=base.name)
    with pytest.raises(RoundError, match="was changed after it was frozen"):
        run_round(directory, lambda: False)


def test_a_round_without_the_version_it_names_is_refused(base: Base, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"reference": FromMerged(kind="merged", name="round-000009")})
    directory = freeze(tmp_path / "round", base, config=config)
    with pytest.raises(RoundError, match="base merged with round-000009, but its adapter is not in the round"):
        run_round(directory, lambda: False)


def test_what_is_needed_of_the_model_is_there(base: Base) -> None:
    assert linears(base.model)
