"""The built-in model where there is a GPU. `make test-cuda` runs these; without a GPU they fail, and say so."""

from dataclasses import replace

import pytest
import torch

from trainer.base import BUILT_IN, Base, load_base


@pytest.fixture(scope="session", autouse=True)
def gpu() -> torch.device:
    assert torch.cuda.is_available(), "these tests are for machines with a GPU: run `make test` elsewhere"
    return torch.device("cuda")


@pytest.fixture
def base(gpu: torch.device) -> Base:
    """As it is served and trained: on the GPU, in bfloat16."""
    return load_base(BUILT_IN)


@pytest.fixture
def exact(base: Base) -> Base:
    """In float32."""
    return replace(base, model=base.model.float())


@pytest.fixture
def on_cpu() -> Base:
    """The same model where all other tests run."""
    return load_base(BUILT_IN, device=torch.device("cpu"))
