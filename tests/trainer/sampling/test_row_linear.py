"""Products for a fixed few rows, against plain linear modules."""

import pytest
import torch
from torch import Tensor, nn

from trainer.model.adapter import Adapter, LoraWeights
from trainer.model.linear_map import Dense, LinearMap
from trainer.sampling.row_linear import RowLinear

ROWS, WIDTH, RANK = 6, 40, 4


@pytest.fixture
def modules() -> dict[str, nn.Linear]:
    torch.manual_seed(0)
    found = {"q": nn.Linear(WIDTH, 24, bias=False), "k": nn.Linear(WIDTH, 16, bias=True), "v": nn.Linear(WIDTH, 16)}
    return {name: module.requires_grad_(False) for name, module in found.items()}


@pytest.fixture(params=[True, False], ids=["packed", "transposed"])
def together(request: pytest.FixtureRequest, modules: dict[str, nn.Linear]) -> RowLinear:
    linear = RowLinear(maps(modules), rows=ROWS, slots=3, rank=RANK, packed=request.param)
    linear.fold(0, 0)
    return linear


def maps(modules: dict[str, nn.Linear]) -> dict[str, LinearMap]:
    return {name: Dense(module) for name, module in modules.items()}


def plainly(modules: dict[str, nn.Linear], x: Tensor, adapter: Adapter | None = None) -> Tensor:
    parts = []
    for name, module in modules.items():
        part = module(x)
        if adapter is not None and name in adapter.layers:
            lora = adapter.layers[name]
            part = part + (x @ lora.down.T @ lora.up.T) * lora.scaling
        parts.append(part)
    return torch.cat(parts, -1)


def lora(modules: dict[str, nn.Linear], seed: int, *names: str, rank: int = RANK) -> Adapter:
    source = torch.Generator().manual_seed(seed)

    def weights(module: nn.Linear) -> LoraWeights:
        down = torch.randn(rank, module.in_features, generator=source)
        return LoraWeights(down, torch.randn(module.out_features, rank, generator=source), 0.5)

    return Adapter({name: weights(modules[name]) for name in names})


def test_modules_side_by_side_equal_each_alone(modules: dict[str, nn.Linear], together: RowLinear) -> None:
    x = torch.randn(ROWS, WIDTH)
    torch.testing.assert_close(together(x), plainly(modules, x))


def test_each_row_has_its_adapter_and_filler_has_none(modules: dict[str, nn.Linear], together: RowLinear) -> None:
    one, two = lora(modules, 1, "q", "k", "v"), lora(modules, 2, "k", rank=2)
    together.put(1, one)
    together.put(2, two)
    x = torch.randn(ROWS, WIDTH)
    together.use(torch.tensor([2, 0, 1, 1]), 4)
    expected = [plainly(modules, row, which) for row, which in zip(x, (two, None, one, one, None, None), strict=True)]
    torch.testing.assert_close(together(x), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_one_adapter_for_all_gives_the_bits_of_a_mix(modules: dict[str, nn.Linear], together: RowLinear) -> None:
    together.put(1, lora(modules, 1, "q", "v"))
    together.put(2, lora(modules, 2, "k"))
    x = torch.randn(ROWS, WIDTH)
    together.use(1, 4)
    same = together(x)
    together.use(torch.tensor([1, 2, 1, 0]), 4)
    mixed = together(x)
    assert torch.equal(same[[0, 2, 4, 5]], mixed[[0, 2, 4, 5]])


def test_folding_moves_an_adapter_into_the_product_and_out_again(modules: dict[str, nn.Linear]) -> None:
    together = RowLinear(maps(modules), rows=ROWS, slots=3, rank=RANK, packed=True)
    together.fold(0, 0)
    x = torch.randn(ROWS, WIDTH)
    bare = together(x)
    before = {name: module.weight.clone() for name, module in modules.items()}
    for stamp, adapter in enumerate((lora(modules, 1, "q", "k", "v"), lora(modules, 2, "k", rank=2)), start=1):
        together.put(1, None)
        together.put(1, adapter)
        together.fold(1, stamp)
        torch.testing.assert_close(together(x), plainly(modules, x, adapter), rtol=1e-5, atol=1e-5)
    together.fold(0, 0)
    assert torch.equal(together(x), bare)
    assert all(torch.equal(module.weight, before[name]) for name, module in modules.items())


def test_a_slot_that_is_written_again_keeps_nothing(modules: dict[str, nn.Linear], together: RowLinear) -> None:
    together.put(1, lora(modules, 1, "q", "k", "v"))
    narrow = lora(modules, 2, "v", rank=1)
    together.put(1, narrow)
    together.use(1, ROWS)
    x = torch.randn(ROWS, WIDTH)
    torch.testing.assert_close(together(x), plainly(modules, x, narrow), rtol=1e-5, atol=1e-5)
