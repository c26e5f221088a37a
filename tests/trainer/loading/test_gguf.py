"""GGUF files become directories with the same weights, once."""

import shutil
from pathlib import Path

import gguf
import pytest
import torch

from data.errors import ModelError
from tests.gguf_files import write_gguf
from trainer.loading import gguf as gguf_model
from trainer.loading.gguf import unpack_gguf, unpacked
from trainer.model.base import load_base


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "tiny.gguf")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFLOOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_weights_are_those_that_llama_cpp_would_compute_with(file: Path) -> None:
    base = load_base(str(file))
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    for ours, theirs in (("gate_proj", "ffn_gate"), ("down_proj", "ffn_down")):
        packed = tensors[f"blk.1.{theirs}.weight"]
        expected = torch.tensor(gguf.quants.dequantize(packed.data, packed.tensor_type))
        assert packed.tensor_type is gguf.GGMLQuantizationType.Q8_0
        assert torch.equal(base.model.get_parameter(f"model.layers.1.mlp.{ours}.weight"), expected)


def test_template_and_end_come_from_the_file(file: Path) -> None:
    base = load_base(str(file))
    assert base.eos_ids == {2}
    assert not base.plain_template
    assert base.tokenizer.decode(list(base.encode([{"role": "user", "content": "ok"}]))) == "[user]ok"


def test_a_file_is_unpacked_once(file: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = load_base(str(file))
    assert "Unpacking tiny.gguf once" in capsys.readouterr().err
    [place] = cache.iterdir()
    written = (place / "model.safetensors").stat().st_mtime_ns
    second = load_base(str(file))
    assert capsys.readouterr().err == ""
    assert (place / "model.safetensors").stat().st_mtime_ns == written
    assert (first.name, first.revision) == (second.name, second.revision) == (str(file), second.revision)


def test_another_file_is_another_base(file: Path, tmp_path: Path) -> None:
    other = write_gguf(tmp_path / "other.gguf", license_=None)
    assert load_base(str(file)).revision != load_base(str(other)).revision


def test_the_licence_in_the_file_is_known(file: Path) -> None:
    assert str(load_base(str(file)).license) == "mit (of tiny.gguf)"


def test_a_damaged_file_leaves_nothing_behind(file: Path, cache: Path) -> None:
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ModelError, match=r"tiny\.gguf is not a complete GGUF file: .+; fetch it again"):
        unpacked(file)
    assert list(cache.iterdir()) == []


def test_an_architecture_that_transformers_does_not_read_is_named(tmp_path: Path) -> None:
    strange = write_gguf(tmp_path / "strange.gguf", architecture="never-heard-of")
    with pytest.raises(ModelError, match=r"strange\.gguf cannot be unpacked: .*never-heard-of") as error:
        unpacked(strange)
    assert "\n" not in str(error.value)


def test_without_the_package_the_extra_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_model, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"pip install 'prefloop\[gguf\]'"):
        unpacked(file)


def test_a_disk_that_is_too_small_is_seen_before(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(gguf_model, "disk_usage", lambda _: full)
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelError, match=r"GB unpacked, and .* has 0\.0 GB left; name another folder"):
        unpack_gguf(file, tmp_path / "out")
