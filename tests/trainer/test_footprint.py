"""An estimate of memory, against counts made another way and against what training really took."""

from pathlib import Path

import psutil
import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.trainer.scene import freeze
from trainer.base import Base, load_base
from trainer.config import DPOConfig
from trainer.footprint import Footprint, free_bytes
from trainer.round_dir import RoundDir


def directory(tmp_path: Path, base: Base, **config: object) -> RoundDir:
    return freeze(tmp_path / "round", base, config=DPOConfig.model_validate({"rank": 4, "alpha": 8, **config}))


def test_the_weights_are_those_of_the_safetensors_file(base: Base, model_dir: Path, tmp_path: Path) -> None:
    found = Footprint.of(directory(tmp_path, base), base)
    size = (model_dir / "model.safetensors").stat().st_size
    assert found.weights == pytest.approx(size, rel=0.05)


def test_the_adapter_is_pefts_with_gradients_and_two_moments(base: Base, model_dir: Path, tmp_path: Path) -> None:
    found = Footprint.of(directory(tmp_path, base), base)
    model = load_base(str(model_dir)).model
    model.train()
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    adapter, _ = get_peft_model(model, config).get_nb_trainable_parameters()
    head = 4 * (64 + model.config.vocab_size)  # "all-linear" leaves the output head out
    assert found.adapter == 16 * (adapter + head)


def test_recomputing_takes_less(base: Base, tmp_path: Path) -> None:
    kept = Footprint.of(directory(tmp_path / "a", base), base)
    recomputed = Footprint.of(directory(tmp_path / "b", base, gradient_checkpointing=True), base)
    assert recomputed.activations < kept.activations / 10
    assert recomputed.weights == kept.weights


def test_only_what_fits_is_counted(base: Base, tmp_path: Path) -> None:
    short = Footprint.of(directory(tmp_path, base, max_tokens=10), base)
    assert short.activations == 17 * 4 * 10 * 2 * 64


def test_what_is_free_on_the_cpu_is_some_of_what_there_is() -> None:
    assert 0 < free_bytes(torch.device("cpu")) < psutil.virtual_memory().total
