from pathlib import Path

import pytest

from data.errors import AdapterError
from trainer.interface.adapter_files import CONFIG, WEIGHTS, directory_sha256


@pytest.fixture
def adapter_dir(tmp_path: Path) -> Path:
    path = tmp_path / "v1"
    path.mkdir()
    (path / CONFIG).write_text("{}")
    (path / WEIGHTS).write_bytes(b"weights")
    return path


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
