"""Rounds by each kind of algorithm: what they write down, and what may not change their result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.scene import freeze
from trainer.interface.config import DPOConfig, KTOConfig, PPOConfig, RewardConfig, TrainingConfig
from trainer.interface.manifest import Manifest
from trainer.interface.round_dir import RoundDir
from trainer.model.adapter import read_adapter
from trainer.model.base import Base
from trainer.round import run_round

SHORT: dict[str, Any] = {"rank": 4, "alpha": 8, "learning_rate": 1e-3, "batch_size": 4, "epochs": 2}
CONFIGS: dict[str, TrainingConfig] = {
    "dpo": DPOConfig(strength_margin=0.1, sft_weight=0.1, **SHORT),
    "kto": KTOConfig(algorithm="kto", **SHORT),
    "ppo": PPOConfig(algorithm="ppo", rollouts=8, ppo_epochs=2, reward=RewardConfig(**SHORT), **SHORT),
}
EVERY = {"step", "loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_mb"}
PAIRS = {"margin", "accuracy", "chosen_reward", "rejected_reward"}
COLUMNS = {
    "dpo": PAIRS | {"chosen_logps", "rejected_logps"},
    "kto": {"margin", "accuracy", "baseline", "logps"},
    "ppo": {"score", "kl", "length", "kl_coef", "policy_loss", "value_loss", "clipped", "moved"},
}


@pytest.fixture(scope="module", params=CONFIGS)
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def undisturbed(loaded: Base, tmp_path_factory: pytest.TempPathFactory, algorithm: str) -> RoundDir:
    directory = freeze(tmp_path_factory.mktemp("rounds") / algorithm, loaded, config=CONFIGS[algorithm])
    run_round(directory, lambda: False, base=loaded)
    return directory


@pytest.fixture
def again(base: Base, tmp_path: Path, algorithm: str) -> Callable[..., RoundDir]:
    """The same round once more, with some settings changed."""

    def run(**changes: object) -> RoundDir:
        directory = freeze(tmp_path / "round", base, config=CONFIGS[algorithm].model_copy(update=changes))
        run_round(directory, lambda: False, base=base)
        return directory

    return run


def assert_same(first: RoundDir, second: RoundDir, base: Base) -> None:
    one, two = (read_adapter(directory.adapter, base.model, max_rank=4).layers for directory in (first, second))
    assert one.keys() == two.keys()
    for name, lora in one.items():
        torch.testing.assert_close(lora.down, two[name].down, rtol=0, atol=1e-6)
        torch.testing.assert_close(lora.up, two[name].up, rtol=0, atol=1e-6)


def manifest_of(directory: RoundDir) -> Manifest:
    manifest = directory.manifest()
    assert manifest is not None
    return manifest


def test_metrics_have_the_columns_of_the_algorithm(undisturbed: RoundDir, algorithm: str) -> None:
    assert all(set(line) == EVERY | COLUMNS[algorithm] for line in undisturbed.metrics())
    assert len(undisturbed.metrics()) > 2


def test_a_reward_model_has_metrics_of_its_own(undisturbed: RoundDir, algorithm: str) -> None:
    inside = RoundDir(undisturbed.path / "reward")
    if algorithm == "ppo":
        assert all(set(line) == EVERY | PAIRS for line in inside.metrics())
        assert [line["step"] for line in inside.metrics()] == [1, 2, 3, 4, 5, 6]
    else:
        assert not inside.path.exists()


def test_the_report_is_of_the_algorithm_and_comes_back_from_its_file(undisturbed: RoundDir, algorithm: str) -> None:
    manifest = manifest_of(undisturbed)
    assert manifest.report.algorithm == algorithm
    assert (manifest.report.reward is not None) == (algorithm == "ppo")
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert manifest.report.notes == ()


def test_a_second_run_has_the_same_bits(undisturbed: RoundDir, again: Callable[..., RoundDir]) -> None:
    first, second = manifest_of(undisturbed), manifest_of(again())
    assert first.adapter_sha256 == second.adapter_sha256
    assert first.canary == second.canary
    assert first.report.drift == second.report.drift


def test_computing_layers_again_changes_nothing_of_the_result(
    undisturbed: RoundDir, again: Callable[..., RoundDir], loaded: Base
) -> None:
    assert_same(undisturbed, again(gradient_checkpointing=True), loaded)


def test_a_small_token_budget_changes_nothing_of_the_result(
    undisturbed: RoundDir, again: Callable[..., RoundDir], loaded: Base
) -> None:
    assert_same(undisturbed, again(token_budget=60), loaded)


def test_memory_that_runs_out_is_said_and_changes_nothing_of_the_result(
    undisturbed: RoundDir, again: Callable[..., RoundDir], loaded: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the first backward pass of all; the batches are of some 100 tokens."""
    backward = torch.Tensor.backward
    ran_out: list[torch.Tensor] = []

    def full(tensor: torch.Tensor) -> None:
        if not ran_out:
            ran_out.append(tensor)
            raise torch.OutOfMemoryError("CUDA out of memory.")
        backward(tensor)

    monkeypatch.setattr(torch.Tensor, "backward", full)
    disturbed = again(token_budget=100)
    assert ran_out
    assert manifest_of(disturbed).report.notes == ("out of memory: going on with 50 tokens at a time",)
    assert_same(undisturbed, disturbed, loaded)
