"""One row at a time: a row's bits are its own, and two answers go on from one prefill."""

from pathlib import Path

import pytest
import torch

from tests.trainer.families import save_family
from tests.trainer.scene import random_lora
from trainer.model.base import Base, load_base
from trainer.sampling.general_model import GeneralModel

FAMILIES = ["Bloom", "Mamba", "LFM2", "RWKV"]  # keys and values, states, both, and states that are no cache
IDS = list(range(5, 14))


@pytest.fixture(params=FAMILIES)
def general(request: pytest.FixtureRequest, model_dir: Path, tmp_path: Path) -> tuple[Base, GeneralModel]:
    base = load_base(str(save_family(request.param, model_dir, tmp_path)))
    model = GeneralModel(base, max_adapters=2, max_rank=4)
    model.lora.load("v1", random_lora(base.model, seed=1))
    return base, model


@torch.no_grad()
def whole(base: Base, ids: list[int]) -> torch.Tensor:
    logits: torch.Tensor = base.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
    return logits


@torch.inference_mode()
def test_a_fork_goes_its_own_way(general: tuple[Base, GeneralModel]) -> None:
    base, model = general
    first = model.cache()
    model.read(IDS, first, None)
    second = first.fork()
    model.decode([50, 60], [first, second], [None, None])
    got = model.decode([51, 61], [first, second], [None, None])
    torch.testing.assert_close(got[0], whole(base, [*IDS, 50, 51]), rtol=0, atol=1e-4)
    torch.testing.assert_close(got[1], whole(base, [*IDS, 60, 61]), rtol=0, atol=1e-4)
    assert (first.length, second.length) == (len(IDS) + 2, len(IDS) + 2)


@torch.inference_mode()
def test_company_and_its_adapters_change_no_bit(general: tuple[Base, GeneralModel]) -> None:
    _, model = general
    alone, busy, other = model.cache(), model.cache(), model.cache()
    model.read(IDS, alone, None)
    model.read(IDS, busy, None)
    model.read(IDS[:4], other, "v1")
    company = model.decode([50, 7], [busy, other], [None, "v1"])
    assert torch.equal(model.decode([50], [alone], [None])[0], company[0])


@torch.inference_mode()
def test_it_keeps_as_many_logits_as_it_is_asked_for(general: tuple[Base, GeneralModel]) -> None:
    _, model = general
    assert model.read(IDS, model.cache(), "v1", keep=3).shape[:2] == (1, 3)


def test_after_an_exception_the_model_is_as_it_was(general: tuple[Base, GeneralModel]) -> None:
    base, model = general
    before = whole(base, IDS)
    hook = base.model.get_output_embeddings().register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), torch.inference_mode():
        model.read(IDS, model.cache(), "v1")
    hook.remove()
    assert torch.equal(whole(base, IDS), before)
