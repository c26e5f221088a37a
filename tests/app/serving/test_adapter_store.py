import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.serving.adapter_store import AdapterStore
from data.errors import AdapterError
from trainer.interface.adapter_files import directory_sha256
from trainer.interface.manifest import Manifest

NewVersion = Callable[[str, int], Path]


def test_a_version_s_rank_is_read_from_its_weights(adapter_store: AdapterStore, new_version: NewVersion) -> None:
    new_version("v1", 1)

    assert adapter_store.rank("v1") == 4


def test_weights_that_cannot_be_read_are_named(adapter_store: AdapterStore, new_version: NewVersion) -> None:
    file = new_version("v1", 1) / "adapter_model.safetensors"
    file.write_bytes(b"no tensors")
    with pytest.raises(AdapterError, match=f"adapter v1: {file} cannot be read"):
        adapter_store.rank("v1")
    with pytest.raises(AdapterError, match="adapter v2"):
        adapter_store.rank("v2")


def test_a_canary_outlives_the_form_of_the_report_beside_it(
    adapter_store: AdapterStore, new_version: NewVersion
) -> None:
    file = new_version("v1", 1) / "prefloop.json"
    canary = adapter_store.canary("v1")
    manifest = json.loads(file.read_text()) | {"format": 1, "report": {"pairs": 1, "heldout_accuracy": None}}
    file.write_text(json.dumps(manifest))

    assert adapter_store.canary("v1") == canary


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_manifest_without_a_canary_is_refused(
    adapter_store: AdapterStore, new_version: NewVersion, text: str
) -> None:
    (new_version("v1", 1) / "prefloop.json").write_text(text)
    with pytest.raises(AdapterError, match=r"adapter v1 is refused: .*prefloop\.json cannot be read"):
        adapter_store.canary("v1")


def test_a_version_whose_directory_is_gone_is_told_with_the_ways_out(
    adapter_store: AdapterStore, new_version: NewVersion
) -> None:
    path = new_version("v1", 1)
    digest = directory_sha256(path)
    (path / "adapter_model.safetensors").unlink()
    with pytest.raises(AdapterError, match=r"safetensors is missing; .*prefloop adapter promote NAME"):
        adapter_store.verify("v1", digest)
    shutil.rmtree(path)
    with pytest.raises(AdapterError) as raised:
        adapter_store.verify("v1", digest)
    assert f"its directory {path} is gone; bring its directory back from a backup" in str(raised.value)


def test_a_copy_that_breaks_off_leaves_nothing(
    adapter_store: AdapterStore, new_version: NewVersion, tmp_path: Path
) -> None:
    new_version("v1", 1)
    before = sorted(path.name for path in adapter_store.path("v1").parent.iterdir())
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "weights").symlink_to("gone")
    with pytest.raises(shutil.Error):
        adapter_store.install("v2", tmp_path / "broken", Manifest.model_construct(adapter_sha256=""))
    assert sorted(path.name for path in adapter_store.path("v1").parent.iterdir()) == before
