"""The built-in model where there is a GPU. `make test-cuda` runs these; without a GPU they fail, and say so."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from trainer.interface.model_settings import BUILT_IN
from trainer.model.base import Base, load_base


@pytest.fixture(scope="session", autouse=True)
def gpu() -> torch.device:
    assert torch.cuda.is_available(), "these tests are for machines with a GPU: run `make test` elsewhere"
    return torch.device("cuda")


@pytest.fixture
def base(gpu: torch.device) -> Base:
    """As it is served and trained: on the GPU, in bfloat16."""
    return load_base(BUILT_IN)


@pytest.fixture
def on_cpu() -> Base:
    """The same model where all other tests run."""
    return load_base(BUILT_IN, device=torch.device("cpu"))


@pytest.fixture
def exact(gpu: torch.device, on_cpu: Base) -> Base:
    """The same on the GPU, in float32."""
    return replace(on_cpu, model=torch.nn.Module.to(deepcopy(on_cpu.model), gpu))
