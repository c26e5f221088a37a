"""What LoRA stands beside: found by what it does, whatever its class, and told from routers and kernels' own."""

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from tests.trainer.families import config_of
from trainer.model.linear_map import Turned, linear_map, lora_targets


class Alike(nn.Linear):
    """A class of its own that does the same, as Falcon's."""

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T + self.bias


class More(nn.Linear):
    """A product and something on top, as Llama 4's router."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).sigmoid()


def short_names(family: str) -> set[str]:
    model = AutoModelForCausalLM.from_config(config_of(family))
    return {name.rpartition(".")[2] for name in lora_targets(model)}


def test_conv1d_is_a_linear_map_with_its_weight_turned() -> None:
    module = Conv1D(5, 3)
    found = linear_map(module)
    assert isinstance(found, Turned)
    assert (found.in_features, found.out_features) == (3, 5)
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(found.product(x), module(x))
    torch.testing.assert_close(x @ found.weight().T + module.bias, module(x))


def test_a_subclass_counts_by_what_it_does() -> None:
    assert linear_map(Alike(4, 3)) is not None
    assert linear_map(More(4, 3)) is None
    assert linear_map(nn.Bilinear(4, 4, 3)) is None


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("GPT-2", {"c_attn", "c_proj", "c_fc"}),
        ("Mamba", {"in_proj", "x_proj"}),
        ("Qwen3-Next", {"out_proj", "q_proj"}),
        ("Falcon with rotary", {"query_key_value"}),
    ],
)
def test_an_adapter_changes(family: str, names: set[str]) -> None:
    assert names <= short_names(family)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("GPT-2", "lm_head"),
        ("Mamba", "out_proj"),  # its kernels read the weight and never call the module
        ("Mamba", "dt_proj"),
        ("Qwen3-Next", "shared_expert_gate"),
        ("Llama 4", "router"),
        ("DeepSeek-V3", "up_proj"),  # of its shared experts: PEFT would take it for the fused ones
    ],
)
def test_an_adapter_leaves_alone(family: str, name: str) -> None:
    assert name not in short_names(family)
