"""What only a home without a server has; that its routes do as a server's is tested by the commands (tests/app/cli)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.client.client import Client
from app.client.in_process import in_process
from app.home import Home
from data.errors import PrefloopError
from data.store import PreferenceStore

_HEAVY = ("torch", "transformers", "peft", "gradio")
_LIST = f"""
import json, sys
from app.cli.main import app
app(standalone_mode=False)
print(json.dumps([name for name in {_HEAVY} if name in sys.modules]))
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def client(home: Home) -> Iterator[Client]:
    with in_process(home, make=True) as client:
        yield client


def test_what_is_done_is_kept_and_nobody_is_named(client: Client) -> None:
    client.post("/users", login="ann", password="correct horse", role="admin")
    client.post("/people/invites", role="annotator", days=3)
    acts = client.get("/audit")
    assert [(act["by"], act["action"]) for act in acts] == [(None, "make_invite"), (None, "add_user")]
    assert [invite["made_by"] for invite in client.get("/people/invites")] == [None]


def test_what_fails_is_not_kept(client: Client) -> None:
    with pytest.raises(PrefloopError, match="it must have 8 to 256"):
        client.post("/users", login="ann", password="short", role="admin")
    assert client.get("/audit") == []


def test_links_lead_to_where_the_server_will_listen(home: Home) -> None:
    home.create()
    (home.path / "prefloop.toml").write_text('host = "10.1.2.3"\nport = 81')
    with in_process(home, make=True) as client:
        assert client.url == "http://10.1.2.3:81"


@pytest.mark.parametrize("resource", ["/guidelines", "/prompts/sources", "/gold", "/flags", "/imports", "/exports"])
def test_what_needs_the_store_alone_is_answered(client: Client, resource: str) -> None:
    assert client.get(resource) == []


@pytest.mark.parametrize("resource", ["/rounds", "/overview", "/trial"])
def test_what_needs_a_model_is_not_there(client: Client, resource: str) -> None:
    with pytest.raises(PrefloopError):
        client.get(resource)


def test_who_has_no_account_is_named_as_no_author(client: Client) -> None:
    with pytest.raises(PrefloopError, match="This needs an account"):
        client.post("/gold/written", prompt="Why?", good="So.", bad="No.")


def test_a_download_that_fails_leaves_no_file(client: Client, tmp_path: Path) -> None:
    with pytest.raises(PrefloopError, match="left no row out"):
        client.download("/imports/1/bad-rows", tmp_path / "bad.jsonl")
    assert not (tmp_path / "bad.jsonl").exists()


@pytest.mark.parametrize("command", [("user", "list"), ("adapter", "list"), ("lineage", "version", "base")])
def test_a_command_without_a_server_does_not_wait_for_torch(home: Home, command: tuple[str, ...]) -> None:
    home.create()
    with PreferenceStore.open(home.database) as store:
        store.versions.ensure_base("random", "0")
    done = subprocess.run(
        [sys.executable, "-c", _LIST, *command, "--home", str(home.path)], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []
