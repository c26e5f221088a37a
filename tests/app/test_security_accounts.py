"""Who may sign in, how often they may guess, and what is kept of their secrets."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from app.accounts import Accounts
from app.visitors import Visitor
from data.digests import sha256
from data.errors import ConflictError, InputError
from data.records import Role
from data.store import PreferenceStore

PASSWORD = "correct horse"
HERE, GUESSER = Visitor("here"), Visitor("guesser")


class Watch:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def people_store(tmp_path: Path, watch: Watch):
    with PreferenceStore.open(tmp_path / "people.db", clock=watch) as store:
        yield store


@pytest.fixture
def accounts(people_store: PreferenceStore, watch: Watch) -> Accounts:
    return Accounts(people_store, clock=watch, session_ms=1000, hasher=PasswordHasher(1, 8, 1))


def test_a_password_opens_a_session_until_it_ends(accounts: Accounts, watch: Watch):
    ann = accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    token, who = accounts.sign_in("ann", PASSWORD, HERE)
    assert who == ann == accounts.annotator_of(token)
    watch.now += 1000
    assert accounts.annotator_of(token) is None


def test_signing_out_ends_the_session(accounts: Accounts):
    accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    token, _ = accounts.sign_in("ann", PASSWORD, HERE)
    accounts.sign_out(token)
    assert accounts.annotator_of(token) is None


@pytest.mark.parametrize(
    ("login", "password"), [("ann", "wrong horse"), ("nobody", PASSWORD), ("link-only", PASSWORD), ("", "")]
)
def test_all_refusals_read_the_same(accounts: Accounts, login: str, password: str):
    accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    accounts.add("link-only", Role.ANNOTATOR)
    with pytest.raises(InputError, match="Login or password is wrong"):
        accounts.sign_in(login, password, HERE)


def test_a_link_signs_in_once_and_not_for_ever(accounts: Accounts, watch: Watch):
    ann = accounts.add("ann", Role.ANNOTATOR)
    link, late = accounts.make_link(ann.id), accounts.make_link(ann.id, valid_ms=500)
    token, who = accounts.redeem(link)
    assert who == ann == accounts.annotator_of(token)
    with pytest.raises(InputError, match="used or has expired"):
        accounts.redeem(link)
    watch.now += 500
    with pytest.raises(InputError, match="used or has expired"):
        accounts.redeem(late)


def test_nothing_kept_opens_a_session(accounts: Accounts, people_store: PreferenceStore, tmp_path: Path):
    ann = accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    token, _ = accounts.sign_in("ann", PASSWORD, HERE)
    link = accounts.make_link(ann.id)
    people_store.backup(tmp_path / "copy.db")
    kept = (tmp_path / "copy.db").read_bytes()
    assert sha256(token).encode() in kept
    assert sha256(link).encode() in kept
    for secret in (token, link, PASSWORD):
        assert secret.encode() not in kept
    assert accounts.annotator_of(sha256(token)) is None


@pytest.mark.parametrize("password", ["short", "x" * 257])
def test_unfit_passwords_are_refused_with_the_rule(accounts: Accounts, password: str):
    with pytest.raises(InputError, match="8 to 256"):
        accounts.add("ann", Role.ANNOTATOR, password)


def test_a_new_password_replaces_the_old(accounts: Accounts):
    ann = accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    accounts.set_password(ann.id, "another horse")
    accounts.sign_in("ann", "another horse", HERE)
    with pytest.raises(InputError):
        accounts.sign_in("ann", PASSWORD, HERE)


def test_guessing_gets_slower_for_the_guesser_alone(accounts: Accounts, watch: Watch):
    accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    for _ in range(5):
        with pytest.raises(InputError):
            accounts.sign_in("ann", "wrong horse", GUESSER)
    with pytest.raises(ConflictError, match="Wait 1 seconds"):
        accounts.sign_in("ann", PASSWORD, GUESSER)
    accounts.sign_in("ann", PASSWORD, HERE)
    watch.now += 1000
    with pytest.raises(InputError):
        accounts.sign_in("ann", "wrong horse", GUESSER)
    with pytest.raises(ConflictError, match="Wait 2 seconds"):
        accounts.sign_in("ann", PASSWORD, GUESSER)
    watch.now += 2000
    accounts.sign_in("ann", PASSWORD, GUESSER)


def test_a_clock_that_jumps_back_locks_nobody_out(accounts: Accounts, watch: Watch):
    accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    for _ in range(5):
        with pytest.raises(InputError):
            accounts.sign_in("ann", "wrong horse", GUESSER)
    watch.now -= 86_400_000
    with pytest.raises(ConflictError, match="Wait 1 seconds"):
        accounts.sign_in("ann", PASSWORD, GUESSER)
    watch.now += 1000
    accounts.sign_in("ann", PASSWORD, GUESSER)
