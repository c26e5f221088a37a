"""Both ways to attend in packed groups give the same: small calls, and padded grids as on a GPU."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.forward.packed_attention import grids, in_grids, in_parts
from trainer.forward.packing import Group, Packing, pack

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 40), min_size=2, max_size=4)


def packing(groups: list[list[int]]) -> Packing:
    return pack([Group((5,) * prompt, tuple((5,) * n for n in rest)) for prompt, *rest in groups], device=CPU)


def states(tokens: int, heads: int, seed: int) -> Tensor:
    drawn = torch.randn(1, heads, tokens, 8, generator=torch.Generator().manual_seed(seed))
    return drawn.requires_grad_()


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(LENGTHS, min_size=1, max_size=6),
    window=st.sampled_from([None, 1, 3, 50]),
    repeat=st.sampled_from([1, 2]),
)
def test_a_grid_attends_as_single_calls_do(groups: list[list[int]], window: int | None, repeat: int) -> None:
    packed = packing(groups)
    tokens = packed.input_ids.shape[1]
    inputs = states(tokens, 2 * repeat, 0), states(tokens, 2, 1), states(tokens, 2, 2)
    weights = torch.randn(1, tokens, 2 * repeat, 8, generator=torch.Generator().manual_seed(9))
    results = []
    for attend in (in_parts, in_grids):
        out = attend(*inputs, packed, 0.3, window)
        results.append((out.detach(), torch.autograd.grad((out * weights).sum(), inputs)))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=1e-5)


def test_a_grid_holds_groups_that_are_at_least_half_as_long_as_its_longest() -> None:
    packed = packing([[10, 10], [39, 1], [3, 5], [20, 9], [4, 4, 2]])
    found = grids(packed, None, torch.zeros(1))
    assert [tuple(grid.places.shape) for grid in found] == [(3, 40), (2, 16)]
    assert [len(grid.cells) for grid in found] == [40 + 29 + 20, 10 + 8]
    assert sorted(torch.cat([grid.tokens for grid in found]).tolist()) == list(range(107))
