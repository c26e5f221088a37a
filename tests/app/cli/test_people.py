"""`prefloop user ...`: the same at a running server and on a home that none runs on."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.people.visitor import UNKNOWN
from data.errors import InputError
from data.records import Role
from tests.app.owner import PASSWORD, Owner, served
from tests.app.planted import plant

USER = ("user",)


@pytest.fixture(params=["served", "idle"])
async def owner(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Owner]:
    if request.param == "idle":
        owner = Owner(tmp_path, None, monkeypatch, capsys, USER)
        await owner.did("add", "boss", "--role", "admin", *PASSWORD)
        yield owner
        return
    async with served(tmp_path, monkeypatch, capsys) as owner:
        owner.group = USER
        yield owner


async def test_all_that_is_done_is_kept(owner: Owner) -> None:
    before = len(owner.acts())
    await owner.did("add", "ann", *PASSWORD)
    await owner.did("role", "ann", "admin")
    for command in ("link", "disable", "enable", "sign-out"):
        await owner.did(command, "ann")
    await owner.did("password", "ann", "--password", "another horse")
    await owner.did("invite", "--days", "3")
    await owner.did("list")
    acts = owner.acts()[before:]
    assert [act.action for act in acts] == [
        "add_user",
        "role",
        "link",
        "disable",
        "enable",
        "sign_out",
        "password",
        "make_invite",
    ]
    assert acts[0].detail == {"login": "ann", "role": "annotator"}
    assert {str(act.detail["person_id"]) for act in acts[1:-1]} == {"2"}
    assert acts[-1].detail == {"role": "annotator", "days": 3}
    assert "horse" not in str(acts)
    assert {act.actor_id for act in acts} == ({None} if owner.services is None else {1})


async def test_people_are_added_and_listed(owner: Owner) -> None:
    assert await owner.did("add", "ann", *PASSWORD) == "Added ann (annotator)."
    boss, ann = (await owner.did("list")).splitlines()
    assert boss.split()[:2] == ["boss", "admin"]
    assert re.fullmatch(r"ann   annotator  [a-z]+-[a-z]+-\d+", ann)
    status, said = await owner.run("add", "Ann", *PASSWORD)
    assert (status, said) == (2, "prefloop: The username 'Ann' is taken; choose another.")


async def test_an_invite_is_printed_as_a_link(owner: Owner) -> None:
    link = await owner.did("invite", "--role", "admin", "--days", "3")
    found = re.fullmatch(r"http://127\.0\.0\.1:\d+/join/\?token=(\S+)", link)
    assert found
    with owner.accounts() as accounts:
        invite = accounts.invite_of(found[1])
        assert invite.role is Role.ADMIN
        assert invite.expires_at - invite.created_at == 3 * 86_400_000


async def test_invites_are_listed_and_withdrawn(owner: Owner) -> None:
    assert await owner.did("invites") == ""
    for role in ("admin", "annotator"):
        made = await owner.read("invite", "--role", role)
    with owner.accounts() as accounts:
        accounts.join(made["token"], "ann", PASSWORD[1], UNKNOWN)
    head, last, first = (await owner.did("invites")).splitlines()
    assert head.split()[:2] == ["invite", "role"]
    assert (last.split()[:2], last.split()[-1]) == (["2", "annotator"], "ann")
    assert (first.split()[:2], first.split()[-1]) == (["1", "admin"], "UTC")
    assert await owner.did("withdraw", 1) == "Invite 1 is withdrawn: its link leads nowhere."
    assert [one["id"] for one in await owner.read("invites")] == [2]
    assert owner.acts()[-1].action == "withdraw_invite"


@pytest.mark.parametrize(("number", "why"), [(1, "joined by this invite already"), (9, "no invite 9")])
async def test_an_invite_that_is_spent_or_was_never_made_is_not_withdrawn(owner: Owner, number: int, why: str) -> None:
    made = await owner.read("invite")
    with owner.accounts() as accounts:
        accounts.join(made["token"], "ann", PASSWORD[1], UNKNOWN)
    status, said = await owner.run("withdraw", number)
    assert (status, why in said) == (2, True), said


async def test_a_sign_in_link_is_printed(owner: Owner) -> None:
    link = await owner.did("link", "BOSS")
    found = re.fullmatch(r"http://127\.0\.0\.1:\d+/auth/link\?token=(\S+)", link)
    assert found
    with owner.accounts() as accounts:
        assert accounts.redeem(found[1])[1].login == "boss"


async def test_a_password_is_replaced(owner: Owner) -> None:
    said = await owner.did("password", "boss", "--password", "another horse")
    assert said == "boss has a new password and is signed out everywhere."
    assert (await owner.did("list")).startswith("boss")  # the command line is not signed out
    with owner.accounts() as accounts:
        accounts.sign_in("boss", "another horse", UNKNOWN)
        with pytest.raises(InputError):
            accounts.sign_in("boss", PASSWORD[1], UNKNOWN)
    status, said = await owner.run("password", "boss", "--password", "short")
    assert (status, said) == (2, "prefloop: The password has 5 characters; it must have 8 to 256.")


async def test_people_are_disabled_and_enabled(owner: Owner) -> None:
    await owner.did("add", "ann", *PASSWORD)
    await owner.did("disable", "ann")
    assert (await owner.did("list")).endswith("  disabled")
    with owner.accounts() as accounts, pytest.raises(InputError, match="disabled"):
        accounts.sign_in("ann", PASSWORD[1], UNKNOWN)
    assert await owner.did("enable", "ann") == "ann may sign in."
    with owner.accounts() as accounts:
        accounts.sign_in("ann", PASSWORD[1], UNKNOWN)


async def test_roles_change_but_the_last_admin_stays(owner: Owner) -> None:
    status, said = await owner.run("role", "boss", "annotator")
    assert (status, said) == (2, "prefloop: boss is the only admin who can sign in. Make another admin first.")
    assert (await owner.run("disable", "boss"))[0] == 2
    await owner.did("add", "ann", *PASSWORD)
    assert await owner.did("role", "ann", "admin") == "ann is now: admin."
    assert "ann   admin" in await owner.did("list")


async def test_sessions_are_ended(owner: Owner) -> None:
    await owner.did("add", "ann", *PASSWORD)
    with owner.accounts() as accounts:
        token, _ = accounts.sign_in("ann", PASSWORD[1], UNKNOWN)
    assert await owner.did("sign-out", "ann") == "Sessions of ann that were ended: 1."
    with owner.accounts() as accounts:
        assert accounts.annotator_of(token) is None


@pytest.mark.parametrize("command", ["link", "disable", "enable", "sign-out"])
async def test_a_login_that_nobody_has_is_named(owner: Owner, command: str) -> None:
    status, said = await owner.run(command, "nobody")
    assert status == 2
    assert said == "prefloop: Nobody has the login 'nobody'. See who there is with `prefloop user list`."


async def test_a_home_that_is_not_there_is_made_only_to_add_somebody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    owner = Owner(tmp_path / "home", None, monkeypatch, capsys, USER)
    status, said = await owner.run("invite")
    assert (status, "no prefloop home" in said) == (2, True)
    assert not owner.home.exists()
    await owner.did("add", "ann", *PASSWORD)
    assert owner.home.exists()


async def test_programs_read_accounts_as_the_api_has_them(owner: Owner) -> None:
    assert await owner.read("add", "ann", *PASSWORD) == {"login": "ann", "role": "annotator"}
    [_, ann] = await owner.read("list")
    assert set(ann) == {"id", "login", "pseudonym", "role", "created_at", "disabled_at"}
    assert await owner.read("password", "ann", *PASSWORD) == ann
    assert (await owner.read("disable", "ann"))["disabled_at"] is not None
    assert await owner.read("enable", "ann") == ann
    assert await owner.read("role", "ann", "admin") == {**ann, "role": "admin"}
    assert await owner.read("sign-out", "ann") == {"ended": 0}


async def test_programs_read_links_with_their_address(owner: Owner) -> None:
    invite = await owner.read("invite", "--days", "3")
    assert invite["url"].endswith(invite["path"]) and invite["path"].endswith(invite["token"])
    assert invite["invite"]["expires_at"] - invite["invite"]["created_at"] == 3 * 86_400_000
    link = await owner.read("link", "boss")
    assert set(link) == {"token", "path", "url"}
    with owner.accounts() as accounts:
        assert accounts.redeem(link["token"])[1].login == "boss"


async def test_somebody_is_quarantined_and_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(tmp_path, monkeypatch, capsys, prompts=60) as owner:
        owner.group = USER
        plant(owner.store, pairs=4, gold=0)
        found = await owner.read("quarantine", "left-leo", "--reason", "always left")
        assert (found["quarantine"]["reason"], found["rounds"]) == ("always left", [])
        status, said = await owner.run("quarantine", "left-leo", "--reason", "again")
        assert (status, "quarantine" in said) == (2, True)
        assert await owner.did("release", "left-leo") == "The judgments of left-leo count again."
        said = await owner.did("quarantine", "left-leo", "--reason", "always left")
        assert said == "left-leo is in quarantine. No round had used them."
        assert (await owner.read("release", "left-leo"))["login"] == "left-leo"
        assert list(owner.store.quarantines.in_force()) == []


@pytest.mark.parametrize("command", [("quarantine", "ann", "--reason", "why"), ("release", "ann")])
async def test_a_quarantine_needs_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    status, said = await Owner(tmp_path, None, monkeypatch, capsys, USER).run(*command)
    assert (status, "start one with `prefloop serve --home" in said) == (2, True)
