"""A hub id without a network, and one that is on this machine already."""

import socket
import time
from pathlib import Path

import pytest
from huggingface_hub import constants

from data.errors import ModelError
from trainer.loading import hub
from trainer.model.base import load_base

NAME = "some-owner/some-model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def point_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    template = f"http://127.0.0.1:{port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_a_hub_that_refuses_to_be_reached_fails_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:  # bound, but it does not listen
        closed.bind(("127.0.0.1", 0))
        point_at(closed.getsockname()[1], monkeypatch)
        started = time.monotonic()
        with pytest.raises(
            ModelError, match=rf"^model {NAME} is not on this machine, and http://127\S+ cannot be"
        ) as it:
            load_base(NAME)
    assert time.monotonic() - started < 20
    assert "\n" not in str(it.value)
    assert "prefloop model get smollm2" in str(it.value)


def test_a_hub_that_never_answers_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        point_at(silent.getsockname()[1], monkeypatch)
        with pytest.raises(ModelError, match="cannot be reached"):
            load_base(NAME)


def in_the_cache(cache: Path, model_dir: Path) -> Path:
    """A model as huggingface_hub keeps it."""
    repository = cache / "models--some-owner--some-model"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for file in model_dir.iterdir():
        (snapshot / file.name).symlink_to(file)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return snapshot


def test_what_is_in_the_cache_is_used_without_a_network(
    cache: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = in_the_cache(cache, model_dir)
    (snapshot / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# A model\n")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        point_at(closed.getsockname()[1], monkeypatch)
        base = load_base(NAME)
    assert (base.name, base.revision) == (NAME, COMMIT)
    assert str(base.license) == "cc-by-4.0 (README.md)"


def test_a_model_that_was_fetched_in_part_is_not_taken_for_whole(
    cache: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (in_the_cache(cache, model_dir) / "model.safetensors").unlink()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        point_at(closed.getsockname()[1], monkeypatch)
        with pytest.raises(ModelError, match="is not on this machine"):
            load_base(NAME)
