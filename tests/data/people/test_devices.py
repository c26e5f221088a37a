from data.people.devices import LASTS_MS
from tests.data.scene import Scene


def test_a_device_is_known_for_those_who_signed_in_there(scene: Scene) -> None:
    devices, ann, bob, eve = scene.store.devices, scene.annotator(), scene.annotator(), scene.annotator()
    devices.add(ann.id, "shared")
    devices.add(bob.id, "shared")
    assert devices.knows(ann.login, "shared")
    assert devices.knows(bob.login.upper(), "shared")
    assert not devices.knows(eve.login, "shared")
    assert not devices.knows(ann.login, "another")
    assert [devices.known(token) for token in ("shared", "another")] == [True, False]


def test_a_device_is_forgotten_when_it_was_not_seen_for_long(scene: Scene) -> None:
    devices, ann = scene.store.devices, scene.annotator()
    devices.add(ann.id, "seen again")
    devices.add(ann.id, "never again")
    scene.clock.now += LASTS_MS - 1
    devices.add(ann.id, "seen again")
    scene.clock.now += 1
    assert devices.knows(ann.login, "seen again")
    assert not devices.knows(ann.login, "never again")
