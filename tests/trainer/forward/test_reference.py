"""The reference's log-probabilities: computed once, kept on disk, and of the reference that the round names."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import rmtree

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from data.errors import AdapterError, RoundError
from data.records import Sampling
from tests.trainer.plainly import alone
from tests.trainer.scene import freeze, random_lora, toy_pairs, toy_snapshot
from trainer.algorithms.training_run import StoppedError
from trainer.forward.logprobs import Forward, Packed
from trainer.forward.packing import Group
from trainer.forward.reference import ReferenceLogps, group_logps, reference_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.adapter_files import directory_sha256
from trainer.interface.config import (
    DPOConfig,
    FromMerged,
    FromVersion,
    KTOConfig,
    PPOConfig,
    Reference,
    RoundConfig,
    TrainingConfig,
)
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import lines_of_store
from trainer.model.adapter import read_adapter, write_adapter
from trainer.model.base import Base
from trainer.model.lora import Lora, LoraStack
from trainer.model.policy import Policy
from trainer.round import run_round

GROUPS = [pair.group for pair in toy_pairs(5)]
CONFIG = DPOConfig(epochs=2, batch_size=4, rank=2, alpha=4, learning_rate=1e-2)


class Counted(Packed):
    """Counts its passes."""

    def __init__(self) -> None:
        self.passes = 0

    def token_logps(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        self.passes += 1
        return super().token_logps(model, groups)


@pytest.fixture
def ask(base: Base, tmp_path: Path) -> Callable[..., int]:
    """Ask for the log-probabilities; how many passes that took."""
    policy = Policy.from_base(base, rank=2, alpha=4, seed=0)
    expected = group_logps(policy, Packed(), GROUPS, TokenBudget(8192, print))

    def once(snapshot: str = "s", count: int = 5) -> int:
        forward = Counted()
        file = tmp_path / "reference.safetensors"
        budget = TokenBudget(8192, print)
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


def frozen(path: Path, base: Base, reference: Reference, training: TrainingConfig = CONFIG) -> RoundDir:
    """A round whose reference is a version far from the base."""
    version = path.with_name("version")
    write_adapter(version, random_lora(base.model, seed=5), base.model, base_name=base.name)
    config = RoundConfig(
        model=base.name,
        revision=base.revision,
        seed=7,
        training=training.model_copy(update={"reference": reference}),
        sampling=Sampling(max_new_tokens=8),
        parent_sha256=directory_sha256(version),
    )
    directory = RoundDir(path)
    directory.freeze(config, lines_of_store(toy_snapshot()), parent=version)
    return directory


VERSION = FromVersion(kind="version", name="round-000003")
MERGED = FromMerged(kind="merged", name="round-000003")


class TestInARound:
    def test_a_round_that_goes_on_does_not_compute_it_again(
        self, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int] = []

        def counting(policy: Policy, forward: Forward, groups: list[Group], budget: TokenBudget) -> ReferenceLogps:
            asked.append(len(groups))
            return group_logps(policy, forward, groups, budget)

        monkeypatch.setattr("trainer.forward.reference.group_logps", counting)
        directory = freeze(tmp_path / "round", base, config=CONFIG)
        with pytest.raises(StoppedError):
            run_round(directory, lambda: True, base=base)
        assert asked == [16]
        kept = directory.reference.read_bytes()
        run_round(directory, lambda: False, base=base)
        assert asked == [16]
        assert directory.reference.read_bytes() == kept

    @pytest.mark.parametrize(
        ("reference", "name", "rank"),
        [(VERSION, "version round-000003", 4), (MERGED, "base merged with round-000003", 6)],
    )
    def test_it_starts_at_the_version_it_names(
        self, base: Base, tmp_path: Path, reference: Reference, name: str, rank: int
    ) -> None:
        directory = frozen(tmp_path / "round", base, reference)
        manifest = run_round(directory, lambda: False, base=base)
        assert directory.metrics()[0]["loss"] == pytest.approx(0.6931472, abs=1e-6)
        assert manifest.report.reference == name
        assert manifest.report.train.accuracy is not None and manifest.report.train.accuracy > 0.5
        assert read_adapter(directory.adapter, base.model, max_rank=99).rank == rank

    @pytest.mark.parametrize("reference", [VERSION, MERGED])
    def test_kto_starts_there_too(self, base: Base, tmp_path: Path, reference: Reference) -> None:
        directory = frozen(tmp_path / "round", base, reference, KTOConfig(algorithm="kto", epochs=1, rank=2, alpha=4))
        run_round(directory, lambda: False, base=base)
        assert directory.metrics()[0]["loss"] == pytest.approx(0.5, abs=1e-6)

    @pytest.mark.parametrize("reference", [VERSION, MERGED])
    def test_ppo_samples_from_it_at_no_distance(self, base: Base, tmp_path: Path, reference: Reference) -> None:
        short = PPOConfig(algorithm="ppo", epochs=1, rollouts=4, batch_size=4, ppo_epochs=1, rank=2, alpha=4)
        directory = frozen(tmp_path / "round", base, reference, short)
        run_round(directory, lambda: False, base=base)
        assert directory.metrics()[0]["kl"] == pytest.approx(0, abs=1e-5)
        assert directory.metrics()[0]["moved"] == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("reference", [VERSION, MERGED])
    def test_the_saved_adapter_alone_on_the_bare_base_is_the_policy_that_was_trained(
        self, base: Base, loaded: Base, tmp_path: Path, reference: Reference
    ) -> None:
        """What the report says of the policy in memory, from the two adapters' files by the plain computation."""
        directory = frozen(tmp_path / "round", base, reference)
        report = run_round(directory, lambda: False, base=base).report
        after, before = (plain_logps(loaded, place) for place in (directory.adapter, directory.parent))
        shifts = [a - b for a, b in zip(after, before, strict=True)]
        assert report.train.chosen_shift == pytest.approx(statistics.fmean(shifts[::2]), abs=1e-4)
        assert report.train.rejected_shift == pytest.approx(statistics.fmean(shifts[1::2]), abs=1e-4)
        assert abs(statistics.fmean(shifts[::2])) > 0.01


def plain_logps(base: Base, adapter: Path) -> list[float]:
    """Log-probability of chosen and rejected of each training pair under an adapter's files."""
    with torch.no_grad(), LoraStack(base.model).acting(Lora(read_adapter(adapter, base.model, max_rank=99))):
        return [
            float(alone(base.model, base.encode(preference.prompt.messages), answer.token_ids or ())[0].double().sum())
            for preference in toy_snapshot().train
            for answer in (preference.chosen, preference.rejected)
        ]


class TestRefusals:
    def test_a_version_that_was_changed_after_the_freeze(self, base: Base, tmp_path: Path) -> None:
        directory = frozen(tmp_path / "round", base, VERSION)
        write_adapter(directory.parent, random_lora(base.model, seed=6), base.model, base_name=base.name)
        with pytest.raises(RoundError, match="was changed after it was frozen"):
            run_round(directory, lambda: False, base=base)
        assert directory.manifest() is None

    def test_a_version_that_was_lost_after_the_freeze(self, base: Base, tmp_path: Path) -> None:
        directory = frozen(tmp_path / "round", base, VERSION)
        rmtree(directory.parent)
        with pytest.raises(AdapterError, match=r"parent: adapter_config\.json is missing"):
            run_round(directory, lambda: False, base=base)

    @pytest.mark.parametrize(
        ("reference", "words"), [(VERSION, "version round-000003"), (MERGED, "base merged with round-000003")]
    )
    def test_a_round_that_was_frozen_without_the_version_it_names(
        self, base: Base, tmp_path: Path, reference: Reference, words: str
    ) -> None:
        directory = freeze(tmp_path / "round", base, config=CONFIG.model_copy(update={"reference": reference}))
        with pytest.raises(RoundError, match=f"the reference is {words}, but its adapter is not in the round"):
            run_round(directory, lambda: False, base=base)
