import pytest

from data.errors import ConflictError
from data.records import RoundRequest
from data.store import PreferenceStore
from tests.data.scene import Scene


def test_there_is_one_place_and_it_is_emptied_once(scene: Scene) -> None:
    admin = scene.annotator()
    asked = scene.store.requests.add("kto", admin.id)
    assert asked == RoundRequest("kto", admin.id, scene.clock.now) == scene.store.requests.waiting()
    with pytest.raises(ConflictError, match="Another round is queued already"):
        scene.store.requests.add(None, None)
    assert scene.store.requests.take() == asked
    assert scene.store.requests.take() is None
    assert scene.store.requests.waiting() is None


def test_a_request_is_there_after_a_restart(scene: Scene) -> None:
    asked = scene.store.requests.add(None, None)
    scene.store.close()
    with PreferenceStore.open(scene.path) as again:
        assert again.requests.waiting() == asked
