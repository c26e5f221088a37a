import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from data.errors import ConflictError, InputError, NotFoundError
from data.records import Role
from tests.data.scene import MINUTE, Scene


def test_a_person_is_found_by_login_and_by_id(scene: Scene) -> None:
    ann = scene.store.people.add("ann", Role.ADMIN, password_hash="$argon2")
    assert ann.role is Role.ADMIN
    assert ann.created_at == scene.clock.now
    assert scene.store.people.by_login("ann") == scene.store.people.by_id(ann.id) == ann
    assert scene.store.people.all() == [ann]
    assert scene.store.people.password_hash(ann.id) == "$argon2"


def test_pseudonyms_can_be_read_aloud_and_differ(scene: Scene) -> None:
    names = {scene.annotator().pseudonym for _ in range(50)}
    assert len(names) == 50
    assert all(re.fullmatch(r"[a-z]+-[a-z]+-\d\d+", name) for name in names)


def test_a_login_is_taken_in_any_case(scene: Scene) -> None:
    scene.store.people.add("Ann", Role.ANNOTATOR)
    with pytest.raises(ConflictError, match="'ann' is taken"):
        scene.store.people.add("ann", Role.ANNOTATOR)
    assert scene.store.people.by_login("ANN").login == "Ann"


@pytest.mark.parametrize("login", ["", "a b", "ann\n", "x" * 65, "<script>", "a/b"])
def test_a_bad_login_is_refused(scene: Scene, login: str) -> None:
    with pytest.raises(InputError, match="choose another"):
        scene.store.people.add(login, Role.ANNOTATOR)


@pytest.mark.parametrize("login", ["小明", "ann@example.org", "a.b-c_d+1"])
def test_a_login_may_be_an_address_or_in_any_script(scene: Scene, login: str) -> None:
    assert scene.store.people.add(login, Role.ANNOTATOR).login == login


def test_unknown_people_are_not_found(scene: Scene) -> None:
    people = scene.store.people
    for look in (
        lambda: people.by_login("nobody"),
        lambda: people.by_id(99),
        lambda: people.password_hash(99),
        lambda: people.set_password_hash(99, "x"),
        lambda: people.open_session(99, "t", 1),
        lambda: people.add_link(99, "t", 1),
    ):
        with pytest.raises(NotFoundError, match=r"nobody|99"):
            look()


def test_a_password_hash_can_be_set_later(scene: Scene) -> None:
    ann = scene.annotator()
    assert scene.store.people.password_hash(ann.id) is None
    scene.store.people.set_password_hash(ann.id, "new")
    assert scene.store.people.password_hash(ann.id) == "new"


def test_a_session_lasts_until_its_time(scene: Scene) -> None:
    people, ann = scene.store.people, scene.annotator()
    people.open_session(ann.id, "digest", scene.clock.now + MINUTE)
    assert people.of_session("digest") == ann
    scene.clock.now += MINUTE
    assert people.of_session("digest") is None


def test_a_closed_session_is_nobodys(scene: Scene) -> None:
    people, ann = scene.store.people, scene.annotator()
    people.open_session(ann.id, "digest", scene.clock.now + MINUTE)
    people.close_session("digest")
    people.close_session("digest")
    assert people.of_session("digest") is None
    assert people.of_session("other") is None


def test_a_link_signs_in_once(scene: Scene) -> None:
    people, ann = scene.store.people, scene.annotator()
    people.add_link(ann.id, "digest", scene.clock.now + MINUTE)
    assert people.redeem_link("digest") == ann
    assert people.redeem_link("digest") is None


def test_an_expired_or_unknown_link_signs_nobody_in(scene: Scene) -> None:
    people, ann = scene.store.people, scene.annotator()
    people.add_link(ann.id, "digest", scene.clock.now + MINUTE)
    scene.clock.now += MINUTE
    assert people.redeem_link("digest") is None
    assert people.redeem_link("other") is None


def test_a_link_raced_for_by_many_signs_one_in(scene: Scene) -> None:
    ann = scene.annotator()
    scene.store.people.add_link(ann.id, "digest", scene.clock.now + MINUTE)
    with ThreadPoolExecutor(8) as pool:
        redeemed = list(pool.map(scene.store.people.redeem_link, ["digest"] * 16))
    assert [who for who in redeemed if who] == [ann]
