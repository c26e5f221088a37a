from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from app.serving.adapter_store import AdapterStore
from app.serving.inprocess import InProcessEngine
from app.serving.router import Router
from data.store import PreferenceStore
from tests.models import save_adapter, save_random_model
from trainer.model.base import load_base


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
async def engine(model: Path) -> AsyncIterator[InProcessEngine]:
    engine = InProcessEngine(load_base(str(model)))
    yield engine
    engine.close()


@pytest.fixture
def store(tmp_path: Path, model: Path) -> Iterator[PreferenceStore]:
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        store.versions.ensure_base("random", "0")
        yield store


@pytest.fixture
def adapter_store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "adapters")


@pytest.fixture
def new_version(
    store: PreferenceStore, adapter_store: AdapterStore, model: Path, tmp_path: Path
) -> Callable[[str, int], Path]:
    """Trains nothing: installs a random adapter as a version and enters it in the store."""

    def make(name: str, seed: int) -> Path:
        manifest = save_adapter(model, tmp_path / "trained" / name, seed=seed)
        store.versions.add(name, round_id=None, parent="base", sha256=manifest.adapter_sha256)
        return adapter_store.install(name, tmp_path / "trained" / name, manifest)

    return make


@pytest.fixture
async def router(engine: InProcessEngine, adapter_store: AdapterStore, store: PreferenceStore) -> Router:
    router = Router(engine, adapter_store, store.versions)
    await router.start()
    return router
