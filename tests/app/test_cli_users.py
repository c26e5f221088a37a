"""`prefloop user ...`: the same at a running server and on a home that none runs on."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from app import cli
from app.accounts import Accounts
from app.home import Home, ServerCard
from app.server import bind, create_rest_app
from app.services import Services
from app.visitors import UNKNOWN
from data.audit import Act
from data.errors import InputError
from data.records import Role
from data.store import PreferenceStore
from tests.app.pages_stage import stage

PASSWORD = ("--password", "correct horse")


@dataclass
class Owner:
    """Somebody at the command line of a home."""

    home: Path
    services: Services | None
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Exit status and output of `prefloop user ARGUMENTS`: stdout if it went well, else stderr."""
        self.monkeypatch.setattr(sys, "argv", ["prefloop", "user", *arguments, "--home", str(self.home)])
        status = await asyncio.to_thread(self._main)
        said = self.capsys.readouterr()
        return status, (said.err if status else said.out).strip()

    async def did(self, *arguments: str) -> str:
        """The output of a command that goes well."""
        status, said = await self.run(*arguments)
        assert status == 0, said
        return said

    @contextmanager
    def accounts(self) -> Iterator[Accounts]:
        """What came of it."""
        if self.services is not None:
            yield self.services.accounts
        else:
            with PreferenceStore.open(self.home / "prefloop.db") as store:
                yield Accounts(store)

    def acts(self) -> list[Act]:
        """What was kept of it, oldest first."""
        if self.services is not None:
            return self.services.store.audit.newest(99)[::-1]
        with PreferenceStore.open(self.home / "prefloop.db") as store:
            return store.audit.newest(99)[::-1]

    def _main(self) -> int:
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0


@pytest.fixture(params=["served", "idle"])
async def owner(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Owner]:
    if request.param == "idle":
        owner = Owner(tmp_path, None, monkeypatch, capsys)
        await owner.did("add", "boss", "--role", "admin", *PASSWORD)
        yield owner
        return
    async with stage(tmp_path, buffer=0, prompts=1) as services:
        boss = services.accounts.add("boss", Role.ADMIN, PASSWORD[1])
        with bind("127.0.0.1", 0) as listener:
            server = uvicorn.Server(uvicorn.Config(create_rest_app(services), log_level="warning"))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            Home(tmp_path).publish(ServerCard(url, services.accounts.grant(boss.id)))
            yield Owner(tmp_path, services, monkeypatch, capsys)
            server.should_exit = True
            await serving


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
        "make",
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
    assert (status, said) == (2, "prefloop: The login 'Ann' is taken; choose another.")


async def test_an_invite_is_printed_as_a_link(owner: Owner) -> None:
    link = await owner.did("invite", "--role", "admin", "--days", "3")
    found = re.fullmatch(r"http://127\.0\.0\.1:\d+/join/\?token=(\S+)", link)
    assert found
    with owner.accounts() as accounts:
        invite = accounts.invite_of(found[1])
        assert invite.role is Role.ADMIN
        assert invite.expires_at - invite.created_at == 3 * 86_400_000


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
    owner = Owner(tmp_path / "home", None, monkeypatch, capsys)
    status, said = await owner.run("invite")
    assert (status, "no prefloop home" in said) == (2, True)
    assert not owner.home.exists()
    await owner.did("add", "ann", *PASSWORD)
    assert owner.home.exists()
