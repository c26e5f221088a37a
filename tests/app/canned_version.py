"""A version that the canned engine serves: its canary is what that engine answers, and what its base would not."""

from app.serving.adapter_store import AdapterStore
from data.store import PreferenceStore
from trainer.interface.adapter_files import CONFIG, WEIGHTS, directory_sha256
from trainer.interface.manifest import Canary

CANARY = Canary(
    prompt=({"role": "user", "content": "?"},), token_ids=(1, 2), logprobs=(-1.0, -1.0), base_logprobs=(-2.0, -1.0)
)


def add_version(
    store: PreferenceStore, adapter_store: AdapterStore, name: str, *, parent: str = "base", round_id: int | None = None
) -> None:
    """Install a version that a round might have made."""
    path = adapter_store.path(name)
    path.mkdir(parents=True)
    (path / CONFIG).write_text("{}")
    (path / WEIGHTS).write_bytes(name.encode())
    (path / "prefloop.json").write_text(f'{{"canary": {CANARY.model_dump_json()}}}')
    store.versions.add(name, round_id=round_id, parent=parent, sha256=directory_sha256(path))
