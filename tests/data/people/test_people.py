import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from data.errors import ConflictError, InputError, NotFoundError
from data.records import Choice, Role
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
        lambda: people.change_password(99, "x"),
        lambda: people.add_link(99, "t", 1),
        lambda: people.disable(99),
        lambda: people.enable(99),
        lambda: people.set_role(99, Role.ADMIN),
    ):
        with pytest.raises(NotFoundError, match=r"nobody|99"):
            look()


def test_a_password_hash_can_be_set_later(scene: Scene) -> None:
    ann = scene.annotator()
    assert scene.store.people.password_hash(ann.id) is None
    scene.store.people.change_password(ann.id, "new")
    assert scene.store.people.password_hash(ann.id) == "new"


def test_a_better_hash_does_not_undo_a_change_of_password(scene: Scene) -> None:
    people, ann = scene.store.people, scene.annotator()
    people.change_password(ann.id, "old")
    people.rehash(ann.id, "old", "better")
    assert people.password_hash(ann.id) == "better"
    people.rehash(ann.id, "old", "late")
    assert people.password_hash(ann.id) == "better"


def test_a_change_of_password_ends_all_ways_in_but_those_named(scene: Scene) -> None:
    store, ann, eve = scene.store, scene.annotator(), scene.annotator()
    later = scene.clock.now + MINUTE
    for person, token in ((ann, "here"), (ann, "there"), (eve, "hers")):
        store.sessions.open(person.id, token, later)
        store.devices.add(person.id, token)
        store.people.add_link(person.id, f"link {token}", later)
    store.people.change_password(ann.id, "new", session="here", device="here")
    assert [store.sessions.person(token) for token in ("here", "there", "hers")] == [ann, None, eve]
    assert [store.devices.known(token) for token in ("here", "there", "hers")] == [True, False, True]
    assert [store.people.redeem_link(f"link {token}") for token in ("here", "there", "hers")] == [None, None, eve]


def test_a_disabled_person_has_no_way_in_and_keeps_what_they_judged(scene: Scene) -> None:
    store, ann = scene.store, scene.annotator()
    judgment = scene.judge(ann, Choice.A, scene.pair())
    store.sessions.open(ann.id, "session", scene.clock.now + MINUTE)
    store.people.add_link(ann.id, "link", scene.clock.now + MINUTE)
    disabled = store.people.disable(ann.id)
    assert disabled.disabled_at == scene.clock.now
    assert store.sessions.person("session") is None
    assert store.people.redeem_link("link") is None
    with pytest.raises(ConflictError, match="disabled"):
        store.people.add_link(ann.id, "another", scene.clock.now + MINUTE)
    assert store.judgments.history(ann.id, 9) == [judgment]
    assert store.people.enable(ann.id) == ann
    assert store.sessions.person("session") is None


def test_disabling_twice_keeps_the_first_time(scene: Scene) -> None:
    ann = scene.annotator()
    first = scene.store.people.disable(ann.id)
    scene.clock.now += MINUTE
    assert scene.store.people.disable(ann.id) == first


def test_the_last_admin_with_a_way_in_stays_one(scene: Scene) -> None:
    people, sessions = scene.store.people, scene.store.sessions
    boss = people.add("boss", Role.ADMIN, password_hash="$argon2")
    other = people.add("other", Role.ADMIN)
    for take in (lambda: people.disable(boss.id), lambda: people.set_role(boss.id, Role.ANNOTATOR)):
        with pytest.raises(ConflictError, match="boss is the only admin who can sign in"):
            take()
    sessions.open(other.id, "digest", scene.clock.now + MINUTE)
    assert people.set_role(boss.id, Role.ANNOTATOR).role is Role.ANNOTATOR
    assert people.set_role(boss.id, Role.ADMIN).role is Role.ADMIN
    scene.clock.now += MINUTE
    with pytest.raises(ConflictError):
        people.disable(boss.id)
    people.add_link(other.id, "link", scene.clock.now + MINUTE)
    assert people.disable(boss.id).disabled_at is not None


def test_a_disabled_admin_is_no_admin_to_rely_on(scene: Scene) -> None:
    people = scene.store.people
    boss, other = (people.add(login, Role.ADMIN, password_hash="$argon2") for login in ("boss", "other"))
    people.disable(other.id)
    people.set_role(other.id, Role.ANNOTATOR)
    people.set_role(other.id, Role.ADMIN)
    with pytest.raises(ConflictError):
        people.disable(boss.id)


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
