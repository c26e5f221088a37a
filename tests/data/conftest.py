from collections.abc import Iterator
from pathlib import Path

import pytest

from data.store import PreferenceStore
from tests.data.scene import HandClock, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    path, clock = tmp_path / "prefloop.db", HandClock()
    with PreferenceStore.open(path, clock=clock) as store:
        store.versions.ensure_base("tiny", "r1")
        yield Scene(store, path, clock)
