"""Reading an adapter directory: peft's own files come through, everything else is refused in words."""

import json
import math
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from data.errors import AdapterError
from tests.models import save_adapter
from tests.trainer.scene import linears, random_lora
from trainer.interface.adapter_files import CONFIG, WEIGHTS, directory_sha256
from trainer.model.adapter import Adapter, read_adapter, write_adapter
from trainer.model.base import Base, load_base
from trainer.model.lora import Lora, LoraStack

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


def test_what_is_written_is_read_back_to_the_bit(base: Base, tmp_path: Path) -> None:
    adapter = random_lora(base.model, seed=1)
    write_adapter(tmp_path / "v1", adapter, base.model, base_name="toy")
    again = read_adapter(tmp_path / "v1", base.model, max_rank=4)
    assert again.layers.keys() == adapter.layers.keys()
    for name, weights in adapter.layers.items():
        assert torch.equal(again.layers[name].down, weights.down)
        assert torch.equal(again.layers[name].up, weights.up)
        assert again.layers[name].scaling == weights.scaling


def test_ranks_and_scalings_that_differ_are_brought_to_one_with_the_same_function(
    base: Base, model_dir: Path, tmp_path: Path
) -> None:
    one, other = (random_lora(base.model, seed=1, rank=rank).layers for rank in (2, 3))
    layers = {name: other[name] if "mlp" in name else replace(one[name], scaling=0.5) for name in one}
    write_adapter(tmp_path / "v1", Adapter(layers), base.model, base_name="toy")
    ids = torch.arange(6, 28).reshape(2, 11)
    with torch.no_grad():
        loaded = PeftModel.from_pretrained(load_base(str(model_dir)).model, str(tmp_path / "v1"))
        with LoraStack(base.model).acting(Lora(Adapter(layers))):
            expected = base.model(input_ids=ids).logits
        torch.testing.assert_close(loaded(input_ids=ids).logits, expected, rtol=0, atol=1e-5)
    assert read_adapter(tmp_path / "v1", base.model, max_rank=3).rank == 3


def test_modules_are_named_in_full_where_their_last_part_would_pick_others_too(
    base: Base, model_dir: Path, tmp_path: Path
) -> None:
    adapter = Adapter({MODULE: random_lora(base.model, seed=1).layers[MODULE]})
    write_adapter(tmp_path / "v1", adapter, base.model, base_name="toy")
    assert json.loads((tmp_path / "v1" / CONFIG).read_text())["target_modules"] == [MODULE]
    loaded = PeftModel.from_pretrained(load_base(str(model_dir)).model, str(tmp_path / "v1"))
    assert [name for name, _ in loaded.named_parameters() if "lora_A" in name] == [
        f"base_model.model.{MODULE}.lora_A.default.weight"
    ]


def test_another_process_writes_the_same_bytes(adapter_dir: Path, model_dir: Path, tmp_path: Path) -> None:
    """Whatever order its sets come in: the hash of the directory is a version's identity."""
    program = (
        "import sys; from pathlib import Path\n"
        "from trainer.model.adapter import *; from trainer.model.base import load_base\n"
        "base = load_base(sys.argv[1]); adapter = read_adapter(Path(sys.argv[2]), base.model, max_rank=9)\n"
        "write_adapter(Path(sys.argv[3]), adapter, base.model, base_name=base.name)"
    )
    places = [str(path) for path in (model_dir, adapter_dir, tmp_path / "again")]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", program, *places], check=True, env=environment, timeout=120)
    assert directory_sha256(tmp_path / "again") == directory_sha256(adapter_dir)
