"""Reading an adapter directory: peft's own files come through, everything else is refused in words."""

import json
import math
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from data.errors import AdapterError
from tests.models import save_adapter
from tests.trainer.scene import linears
from trainer.adapter import CONFIG, WEIGHTS, directory_sha256, read_adapter
from trainer.base import Base, load_base

MODULE = "model.layers.0.mlp.up_proj"
DOWN = f"base_model.model.{MODULE}.lora_A.weight"
UP = f"base_model.model.{MODULE}.lora_B.weight"


@pytest.fixture(scope="module")
def saved(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapters") / "v1"
    save_adapter(model_dir, path, seed=1)
    return path


@pytest.fixture
def adapter_dir(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "v1"))


@pytest.fixture
def reweigh(adapter_dir: Path) -> Callable[[Callable[[dict[str, Tensor]], object]], None]:
    """Change the tensors on disk."""

    def apply(change: Callable[[dict[str, Tensor]], object]) -> None:
        tensors = load_file(adapter_dir / WEIGHTS)
        change(tensors)
        save_file(tensors, adapter_dir / WEIGHTS)

    return apply


def reconfigure(path: Path, **changes: object) -> None:
    content = json.loads((path / CONFIG).read_text())
    (path / CONFIG).write_text(json.dumps({**content, **changes}))


def test_every_linear_module_but_the_head_is_read(base: Base, adapter_dir: Path) -> None:
    adapter = read_adapter(adapter_dir, base.model, max_rank=16)
    assert set(adapter.layers) == set(linears(base.model))
    assert adapter.rank == 4


def test_weights_and_scaling_are_those_of_peft(base: Base, adapter_dir: Path) -> None:
    adapter = read_adapter(adapter_dir, base.model, max_rank=4)
    tensors = load_file(adapter_dir / WEIGHTS)
    assert torch.equal(adapter.layers[MODULE].down, tensors[DOWN])
    assert torch.equal(adapter.layers[MODULE].up, tensors[UP])
    assert adapter.layers[MODULE].scaling == 2.0


def test_rank_stabilised_lora_is_scaled_by_the_root_of_the_rank(base: Base, adapter_dir: Path) -> None:
    reconfigure(adapter_dir, use_rslora=True)
    assert read_adapter(adapter_dir, base.model, max_rank=4).layers[MODULE].scaling == 8 / math.sqrt(4)


def test_a_rank_above_the_served_maximum_is_refused(base: Base, adapter_dir: Path) -> None:
    with pytest.raises(AdapterError, match="rank 4 is above the served maximum 3"):
        read_adapter(adapter_dir, base.model, max_rank=3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", [DOWN, UP])
def test_a_weight_that_is_not_finite_is_refused(
    base: Base, adapter_dir: Path, reweigh: Callable[..., None], name: str, value: float
) -> None:
    reweigh(lambda tensors: tensors[name].view(-1).__setitem__(3, value))
    with pytest.raises(AdapterError, match=f"{MODULE} holds weights that are not finite"):
        read_adapter(adapter_dir, base.model, max_rank=16)


@pytest.mark.parametrize(("name", "shape"), [(DOWN, (4, 63)), (UP, (127, 4)), (UP, (128, 5)), (DOWN, (3, 64))])
def test_another_shape_is_refused(
    base: Base, adapter_dir: Path, reweigh: Callable[..., None], name: str, shape: tuple[int, int]
) -> None:
    reweigh(lambda tensors: tensors.update({name: torch.zeros(shape)}))
    with pytest.raises(AdapterError, match=rf"{MODULE} is made for another shape than \(128, 64\)"):
        read_adapter(adapter_dir, base.model, max_rank=16)


def test_modules_of_another_model_are_refused(base: Base, adapter_dir: Path, reweigh: Callable[..., None]) -> None:
    def rename(tensors: dict[str, Tensor]) -> None:
        for key in list(tensors):
            tensors[key.replace("layers.1.", "layers.7.")] = tensors.pop(key)

    reweigh(rename)
    with pytest.raises(AdapterError, match=r"the model has no linear module model\.layers\.7\."):
        read_adapter(adapter_dir, base.model, max_rank=16)


def test_half_a_module_is_refused(base: Base, adapter_dir: Path, reweigh: Callable[..., None]) -> None:
    reweigh(lambda tensors: tensors.pop(UP))
    with pytest.raises(AdapterError, match=rf"{UP}.* is missing"):
        read_adapter(adapter_dir, base.model, max_rank=16)


def test_a_weight_that_is_no_lora_is_refused(base: Base, adapter_dir: Path, reweigh: Callable[..., None]) -> None:
    reweigh(lambda tensors: tensors.update({"base_model.model.lm_head.weight": torch.zeros(2)}))
    with pytest.raises(AdapterError, match=r"unknown weight base_model\.model\.lm_head\.weight"):
        read_adapter(adapter_dir, base.model, max_rank=16)


def test_an_empty_file_of_weights_is_refused(base: Base, adapter_dir: Path, reweigh: Callable[..., None]) -> None:
    reweigh(lambda tensors: tensors.clear())
    with pytest.raises(AdapterError, match=f"{WEIGHTS} is empty"):
        read_adapter(adapter_dir, base.model, max_rank=16)


def test_a_real_dora_adapter_is_refused(base: Base, model_dir: Path, tmp_path: Path) -> None:
    dora = get_peft_model(
        load_base(str(model_dir)).model, LoraConfig(r=4, use_dora=True, target_modules=["q_proj", "v_proj"])
    )
    dora.save_pretrained(str(tmp_path / "dora"))
    with pytest.raises(AdapterError, match="only plain LoRA is served, this one has use_dora"):
        read_adapter(tmp_path / "dora", base.model, max_rank=16)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modules_to_save": ["lm_head"]}, "has modules_to_save"),
        ({"alpha_pattern": {"q_proj": 3}}, "has alpha_pattern"),
        ({"lora_bias": True}, "has lora_bias"),
        ({"bias": "all"}, "has bias"),
        ({"alora_invocation_tokens": [5, 6], "task_type": "CAUSAL_LM"}, "has alora_invocation_tokens"),
        ({"peft_type": "IA3"}, "is not LoRA|cannot be read"),
    ],
)
def test_more_than_plain_lora_is_refused(base: Base, adapter_dir: Path, changes: dict[str, object], words: str) -> None:
    reconfigure(adapter_dir, **changes)
    with pytest.raises(AdapterError, match=words):
        read_adapter(adapter_dir, base.model, max_rank=16)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"peft_type": "LORA", "r": '])
def test_a_damaged_config_is_refused(base: Base, adapter_dir: Path, content: bytes) -> None:
    (adapter_dir / CONFIG).write_bytes(content)
    with pytest.raises(AdapterError, match=rf"{CONFIG} cannot be read"):
        read_adapter(adapter_dir, base.model, max_rank=16)


def test_a_missing_config_is_not_looked_for_on_the_hub(
    base: Base, adapter_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object, **__: object) -> None:
        pytest.fail("the hub was asked")

    (adapter_dir / CONFIG).unlink()
    monkeypatch.setattr("peft.config.hf_hub_download", asked)
    monkeypatch.chdir(adapter_dir.parent.parent)
    with pytest.raises(AdapterError, match=rf"{CONFIG} is missing"):
        read_adapter(Path(adapter_dir.parent.name) / "v1", base.model, max_rank=16)


def test_missing_weights_are_refused(base: Base, adapter_dir: Path) -> None:
    (adapter_dir / WEIGHTS).unlink()
    with pytest.raises(AdapterError, match=rf"{WEIGHTS} cannot be read"):
        read_adapter(adapter_dir, base.model, max_rank=16)


@pytest.mark.parametrize("at", [0, 7, 8, 9, 60])
def test_a_flipped_byte_in_the_header_is_refused(base: Base, adapter_dir: Path, at: int) -> None:
    data = bytearray((adapter_dir / WEIGHTS).read_bytes())
    data[at] ^= 0xFF
    (adapter_dir / WEIGHTS).write_bytes(data)
    with pytest.raises(AdapterError, match=rf"{WEIGHTS} cannot be read"):
        read_adapter(adapter_dir, base.model, max_rank=16)


def test_a_file_cut_short_is_refused(base: Base, adapter_dir: Path) -> None:
    data = (adapter_dir / WEIGHTS).read_bytes()
    (adapter_dir / WEIGHTS).write_bytes(data[:-100])
    with pytest.raises(AdapterError, match=rf"{WEIGHTS} cannot be read"):
        read_adapter(adapter_dir, base.model, max_rank=16)


class Bomb:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.trace,))


def test_a_pickle_is_never_opened(base: Base, adapter_dir: Path, tmp_path: Path) -> None:
    (adapter_dir / WEIGHTS).unlink()
    (adapter_dir / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
    with pytest.raises(AdapterError, match=rf"{WEIGHTS} cannot be read"):
        read_adapter(adapter_dir, base.model, max_rank=16)
    with pytest.raises(AdapterError, match="only safetensors adapters are served"):
        directory_sha256(adapter_dir)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_the_hash_sees_every_byte_of_weights_and_config(adapter_dir: Path, name: str) -> None:
    before = directory_sha256(adapter_dir)
    data = bytearray((adapter_dir / name).read_bytes())
    data[-1] ^= 1
    (adapter_dir / name).write_bytes(data)
    assert directory_sha256(adapter_dir) != before


def test_the_hash_is_of_content_alone(adapter_dir: Path, tmp_path: Path) -> None:
    before = directory_sha256(adapter_dir)
    (adapter_dir / "README.md").write_text("another card")
    assert directory_sha256(adapter_dir.rename(tmp_path / "elsewhere")) == before


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_directory_that_lacks_a_file_has_no_hash(adapter_dir: Path, name: str) -> None:
    (adapter_dir / name).unlink()
    with pytest.raises(AdapterError, match=f"{name} is missing"):
        directory_sha256(adapter_dir)
