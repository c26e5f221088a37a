from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.models import save_random_model
from tests.trainer.scene import freeze
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base, load_base
from trainer.model.policy import Policy
from trainer.round import run_round


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """A second thread on a shared machine makes small models slower, not faster."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def loaded(model_dir: Path) -> Base:
    return load_base(str(model_dir))


@pytest.fixture
def base(loaded: Base) -> Base:
    """A model of its own for every test: policies and samplers change the one they are given."""
    return replace(loaded, model=deepcopy(loaded.model))


@pytest.fixture(scope="session")
def finished(loaded: Base, tmp_path_factory: pytest.TempPathFactory) -> RoundDir:
    """A round that was carried through without a stop. Not to be changed."""
    directory = freeze(tmp_path_factory.mktemp("rounds") / "finished", loaded)
    run_round(directory, lambda: False)
    return directory


@pytest.fixture
def policy(base: Base) -> Policy:
    """Far from its reference, the base."""
    policy = Policy.from_base(base, rank=4, alpha=8, seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.lora.parameters.values():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    return policy
