from concurrent.futures import ThreadPoolExecutor

import pytest

from data.errors import ConflictError, InputError, NotFoundError
from data.records import Annotator, Role
from tests.data.scene import MINUTE, Scene


def test_an_invite_makes_one_account_of_its_role(scene: Scene) -> None:
    invites, boss = scene.store.invites, scene.annotator()
    invite = invites.add("digest", Role.ADMIN, MINUTE, made_by=boss.id)
    assert invites.open("digest") == invite
    ann = invites.spend("digest", "ann", "$argon2")
    assert scene.store.people.by_login("ann") == ann
    assert ann.role is Role.ADMIN
    assert scene.store.people.password_hash(ann.id) == "$argon2"
    [spent] = invites.all()
    assert (spent.made_by, spent.spent_by, spent.spent_at) == (boss.id, ann.id, scene.clock.now)
    for again in (lambda: invites.spend("digest", "eve", "$argon2"), lambda: invites.open("digest")):
        with pytest.raises(InputError, match="has been used"):
            again()


def test_an_invite_ends_at_its_time_and_an_unknown_one_is_none(scene: Scene) -> None:
    invites = scene.store.invites
    invites.add("digest", Role.ANNOTATOR, MINUTE, made_by=None)
    scene.clock.now += MINUTE
    for token in ("digest", "other"):
        with pytest.raises(InputError, match="has expired"):
            invites.spend(token, "ann", "$argon2")
    assert scene.store.people.all() == []


def test_a_login_that_cannot_be_had_does_not_spend_the_invite(scene: Scene) -> None:
    invites, taken = scene.store.invites, scene.annotator()
    invites.add("digest", Role.ANNOTATOR, MINUTE, made_by=None)
    with pytest.raises(ConflictError, match="is taken"):
        invites.spend("digest", taken.login, "$argon2")
    with pytest.raises(InputError, match="choose another"):
        invites.spend("digest", "no spaces", "$argon2")
    assert invites.spend("digest", "ann", "$argon2").login == "ann"


def test_an_open_invite_can_be_withdrawn_and_a_spent_one_not(scene: Scene) -> None:
    invites = scene.store.invites
    first, second = (invites.add(token, Role.ANNOTATOR, MINUTE, made_by=None) for token in ("first", "second"))
    invites.withdraw(first.id)
    with pytest.raises(InputError):
        invites.open("first")
    with pytest.raises(NotFoundError, match=f"no invite {first.id}"):
        invites.withdraw(first.id)
    invites.spend("second", "ann", "$argon2")
    with pytest.raises(ConflictError, match="joined by this invite"):
        invites.withdraw(second.id)


def test_an_invite_raced_for_by_many_admits_one(scene: Scene) -> None:
    scene.store.invites.add("digest", Role.ANNOTATOR, MINUTE, made_by=None)

    def join(number: int) -> Annotator | None:
        try:
            return scene.store.invites.spend("digest", f"ann{number}", "$argon2")
        except InputError:
            return None

    with ThreadPoolExecutor(8) as pool:
        joined = [who for who in pool.map(join, range(16)) if who]
    assert scene.store.people.all() == joined
    assert len(joined) == 1
