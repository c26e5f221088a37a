"""LoRA on a frozen base: peft's function and gradients, several on top of each other, nothing left behind."""

import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from data.errors import ModelError
from tests.trainer.architectures import PICTURES, random_model
from tests.trainer.scene import as_peft, linears, random_lora
from trainer.model.adapter import Adapter, LoraWeights
from trainer.model.base import Base
from trainer.model.linear_map import Dense
from trainer.model.lora import Lora, LoraStack, _LoraLinear, stacked

IDS = torch.arange(6, 28).reshape(2, 11)
QUERY = "model.layers.0.self_attn.q_proj"


def logits(model: nn.Module) -> Tensor:
    found: Tensor = model(input_ids=IDS).logits
    return found


def with_acting(model: PreTrainedModel, *loras: Lora) -> Tensor:
    with LoraStack(model).acting(*loras):
        return logits(model)


def only(adapter: Adapter, name: str) -> Adapter:
    return Adapter({name: adapter.layers[name]})


def test_output_and_gradients_are_those_of_peft(base: Base) -> None:
    adapter = random_lora(base.model, seed=1)
    theirs = as_peft(deepcopy(base.model), adapter)
    lora = Lora(adapter)
    out, expected = with_acting(base.model, lora), logits(theirs)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    parameters = dict(theirs.named_parameters())
    for name in adapter.layers:
        for ours, part in (("down", "lora_A"), ("up", "lora_B")):
            got = lora.parameters[f"{name}.{ours}"].grad
            wanted = parameters[f"base_model.model.{name}.{part}.default.weight"].grad
            assert got is not None and wanted is not None
            assert (got - wanted).norm() / wanted.norm() < 1e-5


def test_a_fresh_one_changes_no_bit(base: Base) -> None:
    lora = Lora.fresh(base.model, rank=4, alpha=8, seed=0)
    assert torch.equal(with_acting(base.model, lora), logits(base.model))


def test_a_fresh_one_is_drawn_as_peft_draws_it(base: Base) -> None:
    for name, weights in Lora.fresh(base.model, rank=64, alpha=8, seed=0).adapter().layers.items():
        bound = 1 / math.sqrt(linears(base.model)[name].in_features)
        assert 0.99 * bound < weights.down.abs().max() <= bound
        assert abs(weights.down.mean()) < 0.05 * bound
        assert not weights.up.any()
        assert weights.scaling == 8 / 64


def test_a_fresh_one_is_on_every_linear_module_but_the_head(base: Base) -> None:
    assert Lora.fresh(base.model, rank=1, alpha=1, seed=0).adapter().layers.keys() == linears(base.model).keys()


def test_a_fresh_one_leaves_an_image_tower_alone() -> None:
    model = random_model(PICTURES)
    towers = [name for name in linears(model) if "vision" in name or "projector" in name]
    lora = Lora.fresh(model, rank=1, alpha=1, seed=0)
    assert towers
    assert lora.adapter().layers.keys() == linears(model).keys() - set(towers)


def test_a_model_without_linear_modules_is_refused(base: Base) -> None:
    for name in linears(base.model):
        base.model.set_submodule(name, nn.Bilinear(1, 1, 1))
    with pytest.raises(ModelError, match="no linear modules"):
        Lora.fresh(base.model, rank=1, alpha=1, seed=0)


def test_the_order_of_what_trains_is_the_models(base: Base) -> None:
    names = [name.rpartition(".")[0] for name in Lora.fresh(base.model, rank=1, alpha=1, seed=0).parameters]
    assert list(dict.fromkeys(names)) == list(linears(base.model))


@torch.no_grad()
def test_two_on_top_of_each_other_are_the_stacked_one(base: Base) -> None:
    below, above = random_lora(base.model, seed=1, rank=3), random_lora(base.model, seed=2, rank=2)
    one = stacked(below, above)
    assert one.rank == 5
    both = with_acting(base.model, Lora(below), Lora(above))
    torch.testing.assert_close(with_acting(base.model, Lora(one)), both, rtol=0, atol=1e-5)
    assert (both - with_acting(base.model, Lora(below))).abs().max() > 0.1


@torch.no_grad()
def test_stacked_keeps_modules_that_only_one_of_them_changes(base: Base) -> None:
    whole = random_lora(base.model, seed=1)
    part = only(random_lora(base.model, seed=2), QUERY)
    for below, above in ((whole, part), (part, whole)):
        both = with_acting(base.model, Lora(below), Lora(above))
        torch.testing.assert_close(with_acting(base.model, Lora(stacked(below, above))), both, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_innermost_acts_and_then_the_outer_again(base: Base) -> None:
    outer, inner = (Lora(random_lora(base.model, seed=seed)) for seed in (1, 2))
    stack = LoraStack(base.model)
    with stack.acting(outer):
        before = logits(base.model)
        with stack.acting(inner):
            assert torch.equal(logits(base.model), with_acting(deepcopy(base.model), inner))
        with stack.acting():
            assert torch.equal(logits(base.model), logits(deepcopy(base.model)))
        assert torch.equal(logits(base.model), before)


def test_nothing_is_left_behind_even_by_an_error(base: Base) -> None:
    before = {name: set(vars(module)) for name, module in base.model.named_modules()}
    expected = logits(base.model)
    with pytest.raises(RuntimeError, match="stop"), LoraStack(base.model).acting(Lora(random_lora(base.model, seed=1))):
        logits(base.model)
        raise RuntimeError("stop")
    assert {name: set(vars(module)) for name, module in base.model.named_modules()} == before
    assert torch.equal(logits(base.model), expected)


def test_the_one_below_gets_no_gradient_and_the_base_neither(base: Base) -> None:
    below, above = Lora(random_lora(base.model, seed=1)).freeze(), Lora(random_lora(base.model, seed=2))
    with_acting(base.model, below, above).sum().backward()
    assert all(tensor.grad is not None for tensor in above.parameters.values())
    assert all(tensor.grad is None for tensor in below.parameters.values())
    assert all(tensor.grad is None for tensor in base.model.parameters())


def test_an_adapter_is_a_copy_that_further_training_does_not_change(base: Base) -> None:
    lora = Lora(random_lora(base.model, seed=1))
    kept = lora.adapter()
    before = kept.layers[QUERY].down.clone()
    with torch.no_grad():
        lora.parameters[f"{QUERY}.down"].zero_()
    assert torch.equal(kept.layers[QUERY].down, before)
    assert kept.layers[QUERY].scaling == 2.0


def test_it_trains_in_float32_on_a_base_in_bfloat16(base: Base) -> None:
    adapter = random_lora(base.model, seed=1, size=0.05)
    expected = with_acting(base.model, Lora(adapter)).detach()
    torch.nn.Module.to(base.model, torch.bfloat16)
    lora = Lora(adapter)
    out = with_acting(base.model, lora)
    out.float().square().sum().backward()
    assert (out.float() - expected).norm() / expected.norm() < 0.03
    assert {tensor.grad is not None and tensor.grad.dtype for tensor in lora.parameters.values()} == {torch.float32}


@pytest.mark.parametrize("biased", [False, True])
def test_its_backward_pass_is_the_derivative_of_its_forward_pass(biased: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    module = nn.Linear(5, 4, bias=biased, dtype=torch.float64).requires_grad_(False)
    tensors = [
        torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 5), (4, 2), (1, 5), (4, 1))
    ]

    def out(x: Tensor, *tensors: Tensor) -> Tensor:
        found: Tensor = _LoraLinear.apply(x, Dense(module), (0.5, -2.0), *tensors)
        return found

    assert torch.autograd.gradcheck(out, (x, *tensors))
    below, above = tensors[1] @ tensors[0], tensors[3] @ tensors[2]
    expected = nn.functional.linear(x, module.weight + 0.5 * below - 2.0 * above, module.bias)
    torch.testing.assert_close(out(x, *tensors), expected)


def test_weights_of_one_module_act_with_their_own_scaling(base: Base) -> None:
    linear = linears(base.model)[QUERY]
    weights = LoraWeights(torch.randn(2, linear.in_features), torch.randn(linear.out_features, 2), 3.0)
    x = torch.randn(7, linear.in_features)
    with LoraStack(base.model).acting(Lora(Adapter({QUERY: weights}))):
        out = linear(x)
    torch.testing.assert_close(out, linear(x) + 3.0 * x @ weights.down.T @ weights.up.T, rtol=1e-5, atol=1e-4)
