"""What may be loaded, and what is refused in one line."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from data.errors import ModelError
from trainer.interface.model_settings import Dtype, ModelOptions, Quantize
from trainer.loading import weights as loading
from trainer.model.base import load_base

CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OddConfig(LlamaConfig):
    model_type = "odd"

class OddForCausalLM(LlamaForCausalLM):
    config_class = OddConfig
    odd = True
"""
AUTO_MAP = {"AutoConfig": "odd.OddConfig", "AutoModelForCausalLM": "odd.OddForCausalLM"}


@pytest.fixture
def copied(model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_dir, tmp_path / "copied"))


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.fixture
def odd(copied: Path) -> Path:
    """A model whose class is a Python file beside it."""
    (copied / "odd.py").write_text(CODE)
    edit(copied / "config.json", auto_map=AUTO_MAP, model_type="odd", architectures=["OddForCausalLM"])
    return copied


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


class TestDtype:
    def test_bfloat16_on_the_cpu(self, model_dir: Path) -> None:
        base = load_base(str(model_dir), device=torch.device("cpu"), options=ModelOptions(dtype=Dtype.BFLOAT16))
        assert {parameter.dtype for parameter in base.model.parameters()} == {torch.bfloat16}
        assert "cpu, bfloat16" in base.describe()

    def test_it_is_the_same_base(self, model_dir: Path) -> None:
        other = load_base(str(model_dir), options=ModelOptions(dtype=Dtype.BFLOAT16))
        assert other.revision == load_base(str(model_dir)).revision


class TestPickles:
    def as_pickle(self, directory: Path, content: object) -> None:
        (directory / "model.safetensors").unlink()
        torch.save(content, directory / "pytorch_model.bin")

    def test_tensors_in_one_are_read(self, copied: Path, model_dir: Path) -> None:
        weights = load_file(copied / "model.safetensors")
        self.as_pickle(copied, weights)
        expected = load_base(str(model_dir)).model.state_dict()
        for name, tensor in load_base(str(copied)).model.state_dict().items():
            assert torch.equal(tensor, expected[name])

    def test_what_could_run_does_not(self, copied: Path, tmp_path: Path) -> None:
        weights = load_file(copied / "model.safetensors")
        self.as_pickle(copied, weights | {"evil": Evil(tmp_path / "it ran")})
        with pytest.raises(ModelError, match=r"in a pickle that holds more than tensors.* as safetensors$") as error:
            load_base(str(copied))
        assert "\n" not in str(error.value)
        assert not (tmp_path / "it ran").exists()
        pickle.loads(pickle.dumps(Evil(tmp_path / "it ran")))
        assert (tmp_path / "it ran").exists()  # so it would have


class TestCode:
    def test_a_model_with_code_is_refused_in_words(self, odd: Path) -> None:
        with pytest.raises(
            ModelError, match=r"^model \S+ brings Python code of its own.* --trust-remote-code"
        ) as error:
            load_base(str(odd))
        assert "\n" not in str(error.value)

    def test_it_runs_where_that_was_allowed(self, odd: Path) -> None:
        base = load_base(str(odd), options=ModelOptions(trust_remote_code=True))
        assert type(base.model).__name__ == "OddForCausalLM"
        assert base.model.odd

    def test_other_code_is_another_base(self, odd: Path) -> None:
        trusted = ModelOptions(trust_remote_code=True)
        before = load_base(str(odd), options=trusted).revision
        (odd / "odd.py").write_text(f"{CODE}    more = True\n")
        assert load_base(str(odd), options=trusted).revision != before

    def test_a_class_of_its_own_on_a_known_kind_is_code_too(self, odd: Path) -> None:
        edit(odd / "config.json", auto_map={"AutoModelForCausalLM": "odd.OddForCausalLM"}, model_type="llama")
        with pytest.raises(ModelError, match="brings Python code of its own"):
            load_base(str(odd))

    def test_code_beside_a_class_of_transformers_is_not_run(self, odd: Path) -> None:
        edit(odd / "config.json", model_type="llama", architectures=["LlamaForCausalLM"])
        (odd / "odd.py").write_text("raise RuntimeError('it ran')\n")
        assert type(load_base(str(odd)).model).__module__.startswith("transformers.")


class TestQuantised:
    def test_without_the_package_the_extra_is_named(self, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "find_spec", lambda _: None)
        with pytest.raises(ModelError, match=r"--quantize 4bit needs .* pip install 'prefloop\[quantize\]'"):
            load_base(str(model_dir), options=ModelOptions(quantize=Quantize.FOUR_BIT))

    @pytest.mark.parametrize("method", ["gptq", "awq"])
    def test_one_quantised_before_names_the_library_it_needs(self, copied: Path, method: str) -> None:
        edit(copied / "config.json", quantization_config={"quant_method": method, "bits": 4})
        with pytest.raises(ModelError, match=rf"is quantised with {method}, which needs .* pip install gptqmodel"):
            load_base(str(copied))

    def test_one_quantised_before_is_not_quantised_again(self, copied: Path) -> None:
        edit(copied / "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
        with pytest.raises(ModelError, match=r"quantised already \(gptq\): leave out --quantize 8bit"):
            load_base(str(copied), options=ModelOptions(quantize=Quantize.EIGHT_BIT))


def test_every_failure_is_one_line(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(ModelError, match="cannot be loaded") as error:
        load_base(str(copied))
    assert "\n" not in str(error.value)
