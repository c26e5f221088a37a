"""LoRA by row, against peft with each adapter alone."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests.trainer.scene import as_peft, linears, random_lora
from trainer.model.adapter import Adapter, LoraWeights
from trainer.model.base import Base, load_base
from trainer.sampling.row_lora import RowLora

IDS = torch.arange(6, 6 + 5 * 11).reshape(5, 11)


@torch.no_grad()
def logits(model: PreTrainedModel, lora: RowLora | None = None, rows: Sequence[str | None] = ()) -> Tensor:
    """Of IDS, five rows, with these adapters."""
    with lora.acting(rows) if lora else nullcontext():
        found: Tensor = model(input_ids=IDS).logits
    return found


@torch.no_grad()
def by_peft(model_dir: Path, adapter: Adapter) -> Tensor:
    found: Tensor = as_peft(load_base(str(model_dir)).model, adapter)(input_ids=IDS).logits
    return found


@pytest.fixture
def adapters(base: Base) -> dict[str, Adapter]:
    return {"v1": random_lora(base.model, seed=1), "v2": random_lora(base.model, seed=2, rank=8)}


@pytest.fixture
def lora(base: Base, adapters: dict[str, Adapter]) -> RowLora:
    lora = RowLora(base.model, rows=5, capacity=3, max_rank=8)
    for name, adapter in adapters.items():
        lora.load(name, adapter)
    return lora


def test_mixed_rows_equal_each_adapter_alone_through_peft(
    base: Base, model_dir: Path, lora: RowLora, adapters: dict[str, Adapter]
) -> None:
    plain = logits(load_base(str(model_dir)).model)
    expected: dict[str | None, Tensor] = {name: by_peft(model_dir, adapter) for name, adapter in adapters.items()}
    expected[None] = plain
    rows = ["v1", None, "v2", "v1", "v2"]
    got = logits(base.model, lora, rows)
    for i, name in enumerate(rows):
        torch.testing.assert_close(got[i], expected[name][i], rtol=0, atol=1e-5)
    assert (expected["v1"] - plain).abs().max() > 0.1
    assert (expected["v1"] - expected["v2"]).abs().max() > 0.1


@pytest.mark.parametrize("name", ["v1", "v2", None])
def test_a_rows_bits_do_not_depend_on_its_company(base: Base, lora: RowLora, name: str | None) -> None:
    alone = logits(base.model, lora, [name] * 5)
    for company in ("v1", "v2", None):
        mixed = logits(base.model, lora, [name, company, company, name, company])
        assert torch.equal(mixed[[0, 3]], alone[[0, 3]])


def test_without_an_adapter_the_model_is_the_bare_base_to_the_bit(base: Base, model_dir: Path, lora: RowLora) -> None:
    assert torch.equal(logits(base.model, lora, [None] * 5), logits(load_base(str(model_dir)).model))


def test_outside_the_model_is_the_bare_base(base: Base, model_dir: Path, lora: RowLora) -> None:
    plain = logits(load_base(str(model_dir)).model)
    logits(base.model, lora, ["v1"] * 5)
    assert torch.equal(logits(base.model), plain)
    with pytest.raises(MemoryError), lora.acting(["v1"] * 5):
        raise MemoryError
    assert torch.equal(logits(base.model), plain)
    assert not any("forward" in vars(module) for module in base.model.modules())


def test_an_unloaded_adapter_leaves_its_slot_clean(base: Base, model_dir: Path, lora: RowLora) -> None:
    lora.unload("v2")
    narrow = random_lora(base.model, seed=3, rank=2)
    lora.load("v3", narrow)
    torch.testing.assert_close(logits(base.model, lora, ["v3"] * 5), by_peft(model_dir, narrow), rtol=0, atol=1e-5)
    assert lora.names == ("v1", "v3")


def test_an_adapter_may_target_fewer_modules_than_another(base: Base, model_dir: Path) -> None:
    lora = RowLora(base.model, rows=5, capacity=2, max_rank=4)
    everything = random_lora(base.model, seed=1)
    queries = Adapter({name: w for name, w in random_lora(base.model, seed=2).layers.items() if "q_proj" in name})
    lora.load("queries", queries)
    lora.load("everything", everything)
    got = logits(base.model, lora, ["queries", "everything", None, "queries", "everything"])
    zero = random_lora(base.model, seed=2, size=0).layers
    torch.testing.assert_close(
        got[[0, 3]], by_peft(model_dir, Adapter({**zero, **queries.layers}))[[0, 3]], rtol=0, atol=1e-5
    )
    torch.testing.assert_close(got[[1, 4]], by_peft(model_dir, everything)[[1, 4]], rtol=0, atol=1e-5)


def test_scaling_multiplies_the_change(base: Base) -> None:
    module = next(iter(linears(base.model)))
    one = random_lora(base.model, seed=1).layers[module]
    lora = RowLora(base.model, rows=5, capacity=2, max_rank=4)
    lora.load("once", Adapter({module: replace(one, scaling=1.0)}))
    lora.load("thrice", Adapter({module: replace(one, scaling=3.0)}))
    linear = linears(base.model)[module]
    x = torch.randn(2, 3, linear.in_features)
    with torch.no_grad(), lora.acting(["once", "thrice"]):
        change = linear(x) - torch.nn.functional.linear(x, linear.weight)
        by_hand = x @ (one.up @ one.down).T
    torch.testing.assert_close(change[0], by_hand[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(change[1], 3 * by_hand[1], rtol=0, atol=1e-5)


def test_after_an_exception_the_next_forward_is_right(base: Base, lora: RowLora) -> None:
    rows = ["v1", None, "v2", "v1", "v2"]
    expected = logits(base.model, lora, rows)
    with pytest.raises(RuntimeError):
        logits(base.model, lora, ["v1", "v2"])  # two rows promised, five given
    assert torch.equal(logits(base.model, lora, rows), expected)


def test_a_taken_name_is_refused(base: Base, lora: RowLora, adapters: dict[str, Adapter]) -> None:
    with pytest.raises(ValueError, match="an adapter named v1 is loaded already"):
        lora.load("v1", adapters["v1"])


def test_one_adapter_more_than_there_is_room_for_is_refused(lora: RowLora, adapters: dict[str, Adapter]) -> None:
    lora.load("v3", adapters["v1"])
    with pytest.raises(ValueError, match="no room for adapter v4: 3 are loaded"):
        lora.load("v4", adapters["v1"])


def test_an_adapter_that_is_not_loaded_cannot_be_used_or_unloaded(lora: RowLora) -> None:
    with pytest.raises(KeyError):
        lora.use(["v9"])
    with pytest.raises(KeyError):
        lora.unload("v9")


def test_a_module_that_the_model_does_not_have_is_refused(lora: RowLora) -> None:
    strange = Adapter({"nowhere": LoraWeights(torch.zeros(1, 1), torch.zeros(1, 1), 1.0)})
    with pytest.raises(KeyError, match="no linear module nowhere"):
        lora.load("v3", strange)
    assert lora.names == ("v1", "v2")


def test_a_hundred_loads_leave_no_trace(base: Base, lora: RowLora, adapters: dict[str, Adapter]) -> None:
    rows = ["v1", None, "v2", "v1", "v2"]
    expected = logits(base.model, lora, rows)
    for i in range(100):
        lora.load(f"n{i}", adapters["v1"])
        lora.unload(f"n{i}")
    assert torch.equal(logits(base.model, lora, rows), expected)
