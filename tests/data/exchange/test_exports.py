import pytest

from data.errors import NotFoundError
from data.records import NewExport
from tests.data.scene import MINUTE, Scene


def test_an_export_is_remembered(scene: Scene) -> None:
    made = NewExport({"query": {}}, "trl", "jsonl", "0" * 64, {"pairs_train": 1}, None, "prefloop 0")
    scene.clock.now += MINUTE
    kept = scene.store.exports.record(made)
    assert scene.store.exports.all() == [kept]
    assert (kept.made, kept.created_at) == (made, scene.clock.now)
    with pytest.raises(NotFoundError, match="no export 7"):
        scene.store.exports.by_id(7)
