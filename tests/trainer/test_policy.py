"""The policy: starts at its reference, trains only its LoRA, and is on disk what it is in memory."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from tests.trainer.scene import linears
from trainer.adapter import CONFIG, read_adapter
from trainer.base import Base, load_base
from trainer.policy import Policy

IDS = torch.arange(6, 28).reshape(2, 11)


def grow(policy: Policy) -> None:
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)) * 0.1)


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model(input_ids=IDS).logits


@pytest.fixture
def policy(base: Base) -> Policy:
    return Policy(base, rank=4, alpha=8, seed=0)


def test_a_fresh_policy_is_its_reference_to_the_bit(policy: Policy) -> None:
    with policy.reference() as reference:
        expected = logits(reference)
    assert torch.equal(logits(policy.model), expected)


def test_the_reference_is_the_bare_base_however_far_the_policy_has_gone(policy: Policy, model_dir: Path) -> None:
    grow(policy)
    with policy.reference() as reference:
        got = logits(reference)
    assert torch.equal(got, logits(load_base(str(model_dir)).model))
    assert (logits(policy.model) - got).abs().max() > 0.1


def test_only_a_and_b_train_on_every_linear_module_but_the_head(policy: Policy, model_dir: Path) -> None:
    sizes = [4 * (m.in_features + m.out_features) for m in linears(load_base(str(model_dir)).model).values()]
    assert sum(p.numel() for p in policy.parameters) == sum(sizes)
    assert all(".lora_" in name for name in policy.weights())


def test_what_trains_still_trains_after_a_look_at_the_reference(policy: Policy) -> None:
    before = len(policy.parameters)
    with policy.reference():
        pass
    assert len(policy.parameters) == before > 0


def test_the_seed_decides_the_start(model_dir: Path) -> None:
    first, again, other = (Policy(load_base(str(model_dir)), rank=4, alpha=8, seed=s).weights() for s in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_weights_are_a_copy_and_come_back(policy: Policy) -> None:
    kept = policy.weights()
    before = logits(policy.model)
    grow(policy)
    assert not torch.equal(logits(policy.model), before)
    policy.restore(kept)
    assert torch.equal(logits(policy.model), before)


def test_weights_of_another_rank_do_not_come_back(policy: Policy, model_dir: Path) -> None:
    other = Policy(load_base(str(model_dir)), rank=2, alpha=8, seed=0)
    with pytest.raises(RuntimeError):
        policy.restore(other.weights())


def test_a_saved_policy_is_the_same_policy_for_peft(policy: Policy, model_dir: Path, tmp_path: Path) -> None:
    grow(policy)
    policy.save(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(load_base(str(model_dir)).model, str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(loaded), logits(policy.model), rtol=0, atol=1e-6)


def test_a_saved_policy_passes_the_check_of_adapters(policy: Policy, model_dir: Path, tmp_path: Path) -> None:
    policy.save(tmp_path / "adapter")
    adapter = read_adapter(tmp_path / "adapter", load_base(str(model_dir)).model, max_rank=4)
    assert {lora.scaling for lora in adapter.layers.values()} == {2.0}


def test_saving_replaces_a_whole_directory_and_leaves_nothing_beside_it(policy: Policy, tmp_path: Path) -> None:
    for leftover in ("adapter", ".adapter.part"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "stale").touch()
    policy.save(tmp_path / "adapter")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    assert not (tmp_path / "adapter" / "stale").exists()


def test_the_files_hold_nothing_in_the_order_of_a_set(policy: Policy, tmp_path: Path) -> None:
    """It would differ from process to process, and the hash of the directory with it."""
    policy.save(tmp_path / "adapter")
    modules = json.loads((tmp_path / "adapter" / CONFIG).read_text())["target_modules"]
    assert modules == sorted(modules)


def test_detaching_gives_the_bare_base_back(policy: Policy, model_dir: Path) -> None:
    grow(policy)
    base = policy.detach()
    fresh = load_base(str(model_dir)).model
    assert torch.equal(logits(base.model), logits(fresh))
    assert [name for name, _ in base.model.named_modules()] == [name for name, _ in fresh.named_modules()]
