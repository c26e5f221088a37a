"""The policy: starts at its reference, trains only its LoRA, and is on disk what it is in memory."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import OPTConfig

from data.errors import AdapterError, ModelError
from tests.trainer.architectures import random_model
from tests.trainer.scene import linears, random_lora
from trainer.forward.logprobs import Forward, Packed, Plain, completion_logps
from trainer.forward.packing import Group
from trainer.interface.adapter_files import CONFIG
from trainer.model.activation_checkpointing import recomputing
from trainer.model.adapter import Adapter, LoraWeights, read_adapter
from trainer.model.base import Base, load_base
from trainer.model.lora import Lora, LoraStack
from trainer.model.policy import Policy

IDS = torch.arange(6, 28).reshape(2, 11)
GROUPS = [Group(tuple(range(6, 17)), (tuple(range(20, 28)), (9, 10, 11, 2)))]


def grow(policy: Policy) -> None:
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.lora.parameters.values():
            parameter.add_(torch.randn(parameter.shape, generator=source) * 0.1)


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=IDS).logits
    return found


@torch.no_grad()
def of_policy(policy: Policy) -> torch.Tensor:
    with policy.acting():
        return logits(policy.model)


@pytest.fixture
def policy(base: Base) -> Policy:
    return Policy.from_base(base, rank=4, alpha=8, seed=0)


def from_version(base: Base) -> Policy:
    return Policy.from_version(base, random_lora(base.model, seed=3))


def on_merged(base: Base) -> Policy:
    return Policy.on_merged(base, random_lora(base.model, seed=3), rank=2, alpha=4, seed=0)


def on_merged_part(base: Base) -> Policy:
    """On a version that changes some modules only."""
    whole = random_lora(base.model, seed=3)
    part = Adapter({name: weights for name, weights in whole.layers.items() if name.endswith(("q_proj", "v_proj"))})
    return Policy.on_merged(base, part, rank=2, alpha=4, seed=0)


def test_a_fresh_policy_is_its_reference_to_the_bit(policy: Policy) -> None:
    with policy.reference():
        expected = logits(policy.model)
    assert torch.equal(of_policy(policy), expected)


@pytest.mark.parametrize("start", [from_version, on_merged])
def test_a_policy_from_a_version_starts_at_it_and_leaves_it_behind(base: Base, start: Callable[[Base], Policy]) -> None:
    policy = start(base)
    with policy.reference():
        before = logits(policy.model)
    torch.testing.assert_close(of_policy(policy), before, rtol=0, atol=1e-6)
    assert (before - logits(policy.model)).abs().max() > 0.1  # the version is not the base
    grow(policy)
    with policy.reference():
        assert torch.equal(logits(policy.model), before)
    assert (of_policy(policy) - before).abs().max() > 0.1


@pytest.mark.parametrize("start", [from_version, on_merged, on_merged_part])
def test_what_is_saved_does_alone_on_the_bare_base_what_the_policy_does(
    base: Base, model_dir: Path, tmp_path: Path, start: Callable[[Base], Policy]
) -> None:
    policy = start(base)
    grow(policy)
    policy.save(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(load_base(str(model_dir)).model, str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(loaded), of_policy(policy), rtol=0, atol=1e-4)


@pytest.mark.parametrize("start", [from_version, on_merged])
def test_a_round_that_starts_where_another_ended_starts_at_its_numbers(
    base: Base, tmp_path: Path, start: Callable[[Base], Policy]
) -> None:
    policy = start(base)
    grow(policy)
    policy.save(tmp_path / "adapter")
    version = read_adapter(tmp_path / "adapter", base.model, max_rank=64)
    for following in (Policy.from_version(base, version), Policy.on_merged(base, version, rank=2, alpha=2, seed=1)):
        torch.testing.assert_close(of_policy(following), of_policy(policy), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "start",
    [
        Policy.from_version,
        lambda base, version: Policy.on_merged(base, version, rank=2, alpha=4, seed=0),
    ],
)
def test_a_version_that_changes_the_head_is_refused(base: Base, start: Callable[[Base, Adapter], Policy]) -> None:
    head = base.model.get_output_embeddings()
    weights = LoraWeights(torch.zeros(1, head.in_features), torch.zeros(head.out_features, 1), 1.0)
    with pytest.raises(AdapterError, match=r"changes the output head.*train from the base"):
        start(base, Adapter({"lm_head": weights}))


def test_outside_it_the_model_is_the_bare_base_however_far_the_policy_has_gone(policy: Policy, model_dir: Path) -> None:
    grow(policy)
    assert (of_policy(policy) - logits(policy.model)).abs().max() > 0.1
    fresh = load_base(str(model_dir)).model
    assert torch.equal(logits(policy.model), logits(fresh))
    assert [name for name, _ in policy.model.named_modules()] == [name for name, _ in fresh.named_modules()]


def test_only_a_and_b_train_on_every_linear_module_but_the_head(policy: Policy, model_dir: Path) -> None:
    sizes = [4 * (m.in_features + m.out_features) for m in linears(load_base(str(model_dir)).model).values()]
    assert sum(p.numel() for p in policy.lora.parameters.values()) == sum(sizes)
    assert not any(p.requires_grad for p in policy.model.parameters())


def test_the_seed_decides_the_start(base: Base) -> None:
    first, again, other = (Lora.fresh(base.model, rank=4, alpha=8, seed=s).parameters for s in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_saved_policy_is_the_same_policy_for_peft(policy: Policy, model_dir: Path, tmp_path: Path) -> None:
    grow(policy)
    policy.save(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(load_base(str(model_dir)).model, str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(loaded), of_policy(policy), rtol=0, atol=1e-5)


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


def test_the_files_name_modules_briefly_and_not_in_the_order_of_a_set(policy: Policy, tmp_path: Path) -> None:
    """It would differ from process to process, and the hash of the directory with it."""
    policy.save(tmp_path / "adapter")
    modules = json.loads((tmp_path / "adapter" / CONFIG).read_text())["target_modules"]
    assert modules == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]


@pytest.mark.parametrize("forward", [Packed(), Plain()])
@pytest.mark.parametrize("start", [from_version, on_merged])
def test_computing_layers_again_changes_no_gradient(
    base: Base, forward: Forward, start: Callable[[Base], Policy]
) -> None:
    policy = start(base)
    grow(policy)

    def gradient() -> torch.Tensor:
        with policy.acting():
            logps = completion_logps(forward, policy.model, GROUPS)
        grads = torch.autograd.grad(logps.sum(), list(policy.lora.parameters.values()))
        return torch.cat([grad.flatten() for grad in grads])

    kept = gradient()
    policy.recompute_above = 0
    again = gradient()
    assert kept.norm() > 0.1
    torch.testing.assert_close(again, kept, rtol=1e-5, atol=1e-6)


def test_layers_are_computed_again_as_they_acted_whatever_acts_meanwhile(policy: Policy) -> None:
    grow(policy)
    gate, seen = policy.model.get_submodule("model.layers.0.mlp.gate_proj"), []
    gate.register_forward_hook(lambda _module, _args, out: seen.append(out.detach().clone()))
    policy.recompute_above = 0
    with policy.acting():
        logps = completion_logps(Packed(), policy.model, GROUPS)
    with policy.reference():
        completion_logps(Packed(), policy.model, GROUPS)
        logps.sum().backward()
    first, between, again = seen
    assert torch.equal(first, again)
    assert not torch.equal(first, between)


def test_no_dropout_wakes_up_to_compute_layers_again() -> None:
    shape = OPTConfig(
        vocab_size=64, hidden_size=16, ffn_dim=32, num_hidden_layers=2, num_attention_heads=2, dropout=0.5
    )
    model = random_model(shape)
    lora, stack = Lora(random_lora(model, seed=1)), LoraStack(model)
    kept = []
    for context in (recomputing(model, stack, above=above) for above in (None, 0)):
        with stack.acting(lora), context:
            logps = completion_logps(Packed(), model, GROUPS)
        grads = torch.autograd.grad(logps.sum(), list(lora.parameters.values()))
        kept.append(torch.cat([logps.detach(), *(grad.flatten() for grad in grads)]))
    torch.testing.assert_close(kept[1], kept[0], rtol=1e-5, atol=1e-6)


def test_computing_layers_again_leaves_nothing_behind(policy: Policy) -> None:
    before = {name: set(vars(module)) for name, module in policy.model.named_modules()}
    policy.recompute_above = 0
    with policy.acting():
        assert not any(module.training for module in policy.model.modules())
        logps = completion_logps(Packed(), policy.model, GROUPS)
    logps.sum().backward()
    assert {name: set(vars(module)) for name, module in policy.model.named_modules()} == before


def test_layers_that_cannot_be_computed_again_are_an_error(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.model.activation_checkpointing.GradientCheckpointingLayer", PeftModel)
    policy.recompute_above = 0
    with pytest.raises(ModelError, match="turn gradient_checkpointing off"), policy.acting():
        pass


@pytest.mark.parametrize(("above", "again"), [(10**6, False), (1, True), (None, False)])
def test_only_passes_over_more_tokens_are_computed_again(policy: Policy, above: int | None, again: bool) -> None:
    gate = policy.model.get_submodule("model.layers.0.mlp.gate_proj")
    runs: list[int] = []
    gate.register_forward_hook(lambda *_: runs.append(1))
    policy.recompute_above = above
    with policy.acting():
        logps = completion_logps(Packed(), policy.model, GROUPS)
    assert len(runs) == 1
    logps.sum().backward()
    assert len(runs) == (2 if again else 1)
