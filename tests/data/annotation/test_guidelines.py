import pytest

from data.errors import InputError, NotFoundError
from tests.data.scene import Scene


def test_each_text_is_a_version_and_the_newest_is_in_force(scene: Scene) -> None:
    guidelines = scene.store.guidelines
    assert guidelines.newest() is None
    first = guidelines.publish("Be kind.", {"zh": "要友善。"})
    second = guidelines.publish("Be kinder.")
    assert (first.version, second.version) == ("1", "2")
    assert guidelines.newest() == second
    assert guidelines.all() == [second, first]
    assert guidelines.by_id(first.id).translations == {"zh": "要友善。"}


def test_the_same_text_again_is_no_new_version(scene: Scene) -> None:
    first = scene.store.guidelines.publish("Be kind.", {"zh": ""})
    assert scene.store.guidelines.publish("Be kind.") == first
    assert scene.store.guidelines.publish("Be kind.", {"zh": "要友善。"}) != first


def test_guidelines_without_words_are_refused(scene: Scene) -> None:
    with pytest.raises(InputError, match="empty"):
        scene.store.guidelines.publish(" \n")
    with pytest.raises(InputError, match="100000"):
        scene.store.guidelines.publish("x" * 100_001)
    with pytest.raises(NotFoundError):
        scene.store.guidelines.by_id(1)
