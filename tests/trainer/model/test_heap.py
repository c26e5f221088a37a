"""Giving memory back, seen from outside: what the process holds."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainer.model.heap import given_back, holes_given_back

MIB = 2**20
linux = pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")


def held() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def leave_holes(kept: list[Tensor]) -> None:
    """Many small tensors go, and a few that lie between them stay; each is below what glibc would map by itself."""
    pieces = [torch.ones(25_000) for _ in range(1000)]
    kept += pieces[::50]


@linux
def test_the_holes_between_what_stays_are_given_back() -> None:
    kept: list[Tensor] = []
    leave_holes(kept)
    before = held()
    with holes_given_back():
        pass
    assert held() < before - 20 * MIB
    assert all(bool((piece == 1).all()) for piece in kept)


def test_a_layer_gives_what_it_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []
    monkeypatch.setattr("trainer.model.heap._trim", lambda: called.append)
    layer = given_back(lambda x, y, *, z: x + y + z)
    assert torch.equal(layer(torch.ones(2), 1, z=2), torch.full((2,), 4.0))
    assert called == []  # so little is not worth it
    layer(torch.ones(1 << 18), 1, z=2)
    assert called == [0]


def test_where_the_c_library_cannot_a_layer_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.model.heap._trim", lambda: None)
    assert given_back(held) is held
    with holes_given_back():
        pass
