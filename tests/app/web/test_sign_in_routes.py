"""Who may sign in, how often they may guess, and what is kept of their secrets."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from app.people.accounts import Accounts
from app.people.visitor import Visitor
from data.errors import ConflictError, InputError
from data.records import Role
from data.store import PreferenceStore
from data.support.digests import sha256

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
    with pytest.raises(InputError, match="Username or password is wrong"):
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


def guess(accounts: Accounts, times: int, *, login: str = "ann", addresses: int = 1) -> None:
    """Fail to sign in, from one address or in turn from many."""
    for number in range(times):
        with pytest.raises(InputError):
            accounts.sign_in(login, "wrong horse", Visitor(f"guesser {number % addresses}"))


def test_a_distributed_guess_is_slowed_down_too(accounts: Accounts):
    accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    guess(accounts, 50, addresses=50)
    with pytest.raises(ConflictError, match="Wait 1 seconds"):
        accounts.sign_in("ANN", PASSWORD, Visitor("yet another"))


def test_a_guess_at_one_login_does_not_slow_another_down(accounts: Accounts):
    accounts.add("bob", Role.ANNOTATOR, PASSWORD)
    guess(accounts, 50, addresses=50)
    accounts.sign_in("bob", PASSWORD, Visitor("guesser 0"))


def test_failures_of_an_address_count_over_all_logins(accounts: Accounts):
    accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    for number in range(50):
        guess(accounts, 1, login=f"junk {number}")
    with pytest.raises(ConflictError, match="Wait 1 seconds"):
        accounts.sign_in("ann", PASSWORD, Visitor("guesser 0"))
    accounts.sign_in("ann", PASSWORD, HERE)


def test_a_guesser_with_an_account_cannot_sign_the_count_away(accounts: Accounts):
    accounts.add("eve", Role.ANNOTATOR, PASSWORD)
    for number in range(49):
        guess(accounts, 1, login=f"victim {number}")
    accounts.sign_in("eve", PASSWORD, Visitor("guesser 0"))
    guess(accounts, 1, login="victim 49")
    with pytest.raises(ConflictError):
        accounts.sign_in("victim 50", "wrong horse", Visitor("guesser 0"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("a unix socket", "a unix socket"),
    ],
)
def test_the_addresses_of_one_line_are_one(address: str, network: str):
    assert Visitor(address).network == network


def test_a_known_browser_is_not_locked_out_by_strangers(accounts: Accounts):
    """Neither by many of them, nor by one behind the same proxy."""
    ann = accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    device = accounts.know_device(ann.id, Visitor("guesser 0"))
    guess(accounts, 50, addresses=50)
    guess(accounts, 4, addresses=1, login="bob")
    with pytest.raises(ConflictError):
        accounts.sign_in("ann", PASSWORD, Visitor("guesser 0"))
    accounts.sign_in("ann", PASSWORD, Visitor("guesser 0", device))


def test_a_known_browser_may_guess_no_more_than_others(accounts: Accounts):
    ann, _ = accounts.add("ann", Role.ANNOTATOR, PASSWORD), accounts.add("bob", Role.ANNOTATOR, PASSWORD)
    device = accounts.know_device(ann.id, HERE)
    for address in range(5):
        with pytest.raises(InputError):
            accounts.sign_in("ann", "wrong horse", Visitor(str(address), device))
    with pytest.raises(ConflictError):
        accounts.sign_in("ann", PASSWORD, Visitor("6", device))
    accounts.sign_in("ann", PASSWORD, HERE)  # the guesses of a stolen cookie do not count against others


@pytest.mark.parametrize("device", ["", "made up", "of another"])
def test_a_browser_that_is_not_known_for_the_login_has_no_allowance_of_its_own(accounts: Accounts, device: str):
    accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    if device == "of another":
        device = accounts.know_device(accounts.add("eve", Role.ANNOTATOR, PASSWORD).id, HERE)
    guess(accounts, 5)
    with pytest.raises(ConflictError):
        accounts.sign_in("ann", PASSWORD, Visitor("guesser 0", device))


def test_a_device_token_is_never_one_that_somebody_made_up(accounts: Accounts):
    ann, bob = accounts.add("ann", Role.ANNOTATOR), accounts.add("bob", Role.ANNOTATOR)
    device = accounts.know_device(ann.id, Visitor("here", "made up"))
    assert device != "made up"
    assert accounts.know_device(bob.id, Visitor("here", device)) == device


def test_a_link_works_however_much_was_guessed(accounts: Accounts):
    ann = accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    guess(accounts, 50, addresses=50)
    _, who = accounts.redeem(accounts.make_link(ann.id), Visitor("guesser 0"))
    assert who == ann


def test_a_disabled_account_is_named_only_to_who_knows_its_password(accounts: Accounts):
    ann = accounts.add("ann", Role.ANNOTATOR, PASSWORD)
    accounts.people.disable(ann.id)
    with pytest.raises(InputError, match="Username or password is wrong"):
        accounts.sign_in("ann", "wrong horse", HERE)
    with pytest.raises(InputError, match="disabled"):
        accounts.sign_in("ann", PASSWORD, HERE)


def test_the_token_of_the_home_outlives_sessions_but_not_the_process(accounts: Accounts, watch: Watch, people_store):
    boss, _ = accounts.add("boss", Role.ADMIN, PASSWORD), accounts.add("other", Role.ADMIN, PASSWORD)
    token = accounts.grant(boss.id)
    watch.now += 1_000_000
    accounts.set_password(boss.id, "another horse")
    assert accounts.annotator_of(token) == boss
    assert Accounts(people_store, hasher=PasswordHasher(1, 8, 1)).annotator_of(token) is None
    accounts.people.disable(boss.id)
    assert accounts.annotator_of(token) is None


def test_a_hash_of_older_parameters_is_renewed_at_the_next_sign_in(people_store: PreferenceStore, accounts: Accounts):
    ann = people_store.people.add("ann", Role.ANNOTATOR, password_hash=PasswordHasher(2, 16, 1).hash(PASSWORD))
    accounts.sign_in("ann", PASSWORD, HERE)
    renewed = people_store.people.password_hash(ann.id) or ""
    assert "m=8,t=1,p=1" in renewed
    accounts.sign_in("ann", PASSWORD, HERE)


def test_an_invite_makes_an_account_and_signs_it_in(accounts: Accounts, watch: Watch):
    token, invite = accounts.make_invite(Role.ANNOTATOR, valid_ms=500)
    assert accounts.invite_of(token) == invite
    session, ann = accounts.join(token, "ann", PASSWORD, HERE)
    assert accounts.annotator_of(session) == ann
    late, _ = accounts.make_invite(Role.ANNOTATOR, valid_ms=500)
    watch.now += 500
    with pytest.raises(InputError, match="expired"):
        accounts.join(late, "bob", PASSWORD, HERE)
