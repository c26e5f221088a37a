"""Which way the sampler takes: fast where the proof holds, else slow, else refused in words."""

from pathlib import Path

import pytest
import torch

from data.errors import ModelError
from tests.trainer.families import save_family
from trainer.model.base import Base, load_base
from trainer.sampling.decoding import DecodingChoice, choose_decoding
from trainer.sampling.general_model import GeneralModel
from trainer.sampling.row_model import RowModel


def choose(base: Base) -> DecodingChoice:
    return choose_decoding(base, rows=2, max_adapters=1, max_rank=4)


def load(name: str, model_dir: Path, tmp_path: Path) -> Base:
    return load_base(str(save_family(name, model_dir, tmp_path)))


def test_a_llama_has_its_rows_together(base: Base) -> None:
    chosen = choose(base)
    assert isinstance(chosen.model, RowModel)
    assert chosen.reason == "fast, all rows together by a decode step of prefloop's own"


@pytest.mark.parametrize(
    ("family", "why"),
    [
        ("Bloom", "logits would differ from those of its own forward pass"),
        ("StableLM", "its forward pass does not hand the rows through"),
        ("Llama 4", "its attention is local, and not by a sliding window (100 tokens)"),
        ("MPT", "its forward pass does not fit"),
    ],
)
def test_where_that_does_not_fit_rows_go_one_by_one_and_it_says_why(
    family: str, why: str, model_dir: Path, tmp_path: Path
) -> None:
    chosen = choose(load(family, model_dir, tmp_path))
    assert isinstance(chosen.model, GeneralModel)
    assert chosen.reason.startswith("slow, one answer at a time: ")
    assert why in chosen.reason


def test_an_adapter_that_would_be_missing_is_found_out(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.sampling.row_linear.RowLinear.add", lambda _self, _name, _x, out: out)
    with pytest.raises(ModelError, match="not even by transformers' own generation"):
        choose(base)


def test_an_adapter_that_the_model_passes_by_is_found_out(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.model.lora._forward", lambda linear, _acting: linear.product)
    with pytest.raises(ModelError, match="cannot carry LoRA: an adapter on its linear modules changes nothing"):
        choose(base)


def test_the_proof_leaves_no_adapter_and_no_memory_of_it(base: Base) -> None:
    chosen = choose(base)
    assert chosen.model.lora.names == ()
    assert all(group._down is None for group in chosen.model.lora._groups.values())


def test_memory_that_is_used_up_is_no_reason_for_the_slow_way(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr("trainer.sampling.decoding.RowModel", full)
    with pytest.raises(torch.OutOfMemoryError):
        choose(base)
