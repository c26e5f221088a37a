from pathlib import Path

import pytest
import torch

from tests.models import save_random_model
from tests.trainer.scene import freeze
from trainer.base import Base, load_base
from trainer.round import run_round
from trainer.round_dir import RoundDir


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """A second thread on a shared machine makes small models slower, not faster."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def base(model_dir: Path) -> Base:
    """Loaded anew for every test: policies and samplers change the model they are given."""
    return load_base(str(model_dir))


@pytest.fixture(scope="session")
def finished(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> RoundDir:
    """A round that was carried through without a stop. Not to be changed."""
    directory = freeze(tmp_path_factory.mktemp("rounds") / "finished", load_base(str(model_dir)))
    run_round(directory, lambda: False)
    return directory
