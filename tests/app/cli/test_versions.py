import json
from pathlib import Path
from typing import Any

import pytest
from peft import PeftConfig

from data.store import PreferenceStore
from tests.app.cli.test_main import run
from tests.models import save_adapter

Out = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture
def home(tmp_path: Path, model: Path) -> Path:
    """A home that no server runs on, with the versions v1 and v2 on disk and on record."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "prefloop.toml").write_text(f'model = "{model}"')
    with PreferenceStore.open(home / "prefloop.db") as store:
        for seed, name in enumerate(("v1", "v2")):
            path = home / "adapters" / name
            manifest = save_adapter(model, path, seed=seed)
            (path / "prefloop.json").write_text(manifest.model_dump_json())
            store.versions.ensure_base(manifest.model, manifest.revision)
            store.versions.add(name, round_id=None, parent="base", sha256=manifest.adapter_sha256)
    return home


def listed(home: Path, monkeypatch: Patch, capsys: Out) -> dict[str, str]:
    capsys.readouterr()
    assert run("adapter", "list", "--json", "--home", home, monkeypatch=monkeypatch) == 0
    return {one["name"]: one["standing"] for one in json.loads(capsys.readouterr().out)["versions"]}


def test_versions_are_moved_without_a_server(home: Path, monkeypatch: Patch, capsys: Out) -> None:
    assert listed(home, monkeypatch, capsys) == {"base": "unused", "v1": "unused", "v2": "unused"}
    for arguments in (("promote", "v1"), ("promote", "v2"), ("roll-back",), ("retire", "v2")):
        assert run("adapter", *arguments, "--home", home, "--reason", "a test", monkeypatch=monkeypatch) == 0
    assert "v2 is retired." in capsys.readouterr().out
    assert listed(home, monkeypatch, capsys) == {"base": "unused", "v1": "serves", "v2": "retired"}
    with PreferenceStore.open(home / "prefloop.db") as store:
        assert {decision.reason for decision in store.decisions.all()} == {"a test"}


def test_what_is_done_without_a_server_is_kept(home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    for arguments in (("promote", "v1"), ("promote", "v2"), ("roll-back",), ("refuse", "v2"), ("retire", "v2")):
        assert run("adapter", *arguments, "--home", home, "--reason", "a test", monkeypatch=monkeypatch) == 0
    assert run("adapter", "download", "v1", tmp_path / "copy", "--home", home, monkeypatch=monkeypatch) == 0
    assert run("adapter", "download", "v9", tmp_path / "none", "--home", home, monkeypatch=monkeypatch) == 2
    with PreferenceStore.open(home / "prefloop.db") as store:
        acts = store.audit.newest(9)[::-1]
    assert [(act.action, act.detail) for act in acts] == [
        ("promote", {"name": "v1", "reason": "a test"}),
        ("promote", {"name": "v2", "reason": "a test"}),
        ("roll_back", {"reason": "a test"}),
        ("refuse", {"name": "v2", "reason": "a test"}),
        ("retire", {"name": "v2", "reason": "a test"}),
        ("download_version", {"name": "v1"}),
    ]
    assert {act.actor_id for act in acts} == {None}


def test_the_list_marks_what_serves(home: Path, monkeypatch: Patch, capsys: Out) -> None:
    run("adapter", "promote", "v1", "--home", home, monkeypatch=monkeypatch)
    run("adapter", "refuse", "v2", "--home", home, monkeypatch=monkeypatch)
    capsys.readouterr()
    run("adapter", "list", "--home", home, monkeypatch=monkeypatch)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["base", "unused"],
        ["*", "v1", "serves"],
        ["v2", "refused"],
    ]


def test_the_list_marks_versions_of_another_prompt_format(home: Path, monkeypatch: Patch, capsys: Out) -> None:
    with PreferenceStore.open(home / "prefloop.db") as store:
        store.prompt_formats.put_in_force({"template": "today"}, former={"template": "before"})
    run("adapter", "list", "--home", home, monkeypatch=monkeypatch)
    assert [line.endswith(", trained in another prompt format") for line in capsys.readouterr().out.splitlines()] == [
        False,
        True,
        True,
    ]


def test_a_version_is_copied_and_merged(home: Path, tmp_path: Path, monkeypatch: Patch) -> None:
    assert run("adapter", "download", "v1", tmp_path / "copy", "--home", home, monkeypatch=monkeypatch) == 0
    assert PeftConfig.from_pretrained(str(tmp_path / "copy")).peft_type == "LORA"
    assert run("adapter", "merge", "v1", tmp_path / "plain", "--home", home, monkeypatch=monkeypatch) == 0
    assert (tmp_path / "plain" / "model.safetensors").is_file()
    assert (tmp_path / "plain" / "tokenizer.json").is_file()


@pytest.mark.parametrize("command", ["download", "merge"])
def test_nothing_is_overwritten(home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out, command: str) -> None:
    (tmp_path / "there").mkdir()
    assert run("adapter", command, "v1", tmp_path / "there", "--home", home, monkeypatch=monkeypatch) == 2
    assert "exists already; choose a directory that does not" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "words"), [("base", "has no adapter"), ("v9", "no adapter version v9")])
def test_there_is_nothing_to_copy(
    home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out, name: str, words: str
) -> None:
    assert run("adapter", "download", name, tmp_path / "copy", "--home", home, monkeypatch=monkeypatch) == 2
    assert words in capsys.readouterr().err


def read(home: Path, monkeypatch: Patch, capsys: Out, *arguments: object) -> Any:
    """What `prefloop adapter ARGUMENTS --json` answers."""
    capsys.readouterr()
    assert run("adapter", *arguments, "--json", "--home", home, monkeypatch=monkeypatch) == 0
    return json.loads(capsys.readouterr().out)


def test_programs_read_what_serves(home: Path, monkeypatch: Patch, capsys: Out) -> None:
    assert read(home, monkeypatch, capsys, "promote", "v1") == {"champion": "v1"}
    assert read(home, monkeypatch, capsys, "promote", "v2") == {"champion": "v2"}
    assert read(home, monkeypatch, capsys, "roll-back") == {"champion": "v1"}


@pytest.mark.parametrize(("command", "standing"), [("refuse", "refused"), ("retire", "retired")])
def test_programs_read_how_a_version_stands(
    home: Path, monkeypatch: Patch, capsys: Out, command: str, standing: str
) -> None:
    found = read(home, monkeypatch, capsys, command, "v2", "--reason", "a test")
    assert (found["name"], found["standing"], found["decisions"][-1]["reason"]) == ("v2", standing, "a test")


def test_programs_read_what_was_written(home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    copy, plain = tmp_path / "copy", tmp_path / "plain"
    for command, out in (("download", copy), ("merge", plain)):
        found = read(home, monkeypatch, capsys, command, "v1", out)
        assert (found["version"], found["directory"]) == ("v1", str(out))
        assert found["files"] == sorted(file.name for file in out.iterdir())
