"""Every architecture goes the way that is right for it, and says why."""

import pytest
import torch
from torch import nn
from transformers import PretrainedConfig, RwkvConfig

from tests.trainer.architectures import PACKED, PLAIN, random_model
from tests.trainer.plainly import check
from trainer.forward.logprobs import Packed, Plain
from trainer.forward.probe import choose_forward


@pytest.mark.parametrize("name", PACKED)
def test_an_architecture_packs_and_equals_itself_beyond_its_window(name: str) -> None:
    model = random_model(PACKED[name])
    assert choose_forward(model).reason == "packed"
    check(model, Packed())


@pytest.mark.parametrize(("config", "why"), PLAIN.values(), ids=PLAIN.keys())
def test_an_architecture_that_does_not_pack_is_found_out_and_goes_the_plain_way(
    config: PretrainedConfig, why: str
) -> None:
    model = random_model(config)
    chosen = choose_forward(model)
    assert isinstance(chosen.forward, Plain)
    assert chosen.reason.startswith("plain: ")
    assert why in chosen.reason
    # mamba's scan multiplies along the sequence and so enlarges rounding: 6e-6 on one processor, 5e-5 on another
    check(model, chosen.forward, within=1e-4 if config.model_type == "mamba" else 1e-5)


@pytest.mark.parametrize("config", PACKED.values(), ids=PACKED.keys())
def test_in_bfloat16_the_same_architectures_pack(config: PretrainedConfig) -> None:
    model = random_model(config)
    nn.Module.to(model, torch.bfloat16)
    assert choose_forward(model).reason == "packed"


@pytest.mark.parametrize("name", [name for name in PLAIN if name != "mamba"])  # whose own kernel wants float32
def test_in_bfloat16_the_same_architectures_do_not(name: str) -> None:
    model = random_model(PLAIN[name][0])
    nn.Module.to(model, torch.bfloat16)
    assert PLAIN[name][1] in choose_forward(model).reason


def test_a_model_that_ignores_masks_and_positions_trains_plainly() -> None:
    shape = RwkvConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2)
    model = random_model(shape)
    assert choose_forward(model).reason.startswith("plain: ")
    check(model, Plain())
