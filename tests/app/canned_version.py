"""A version that the canned engine serves: its canary is what that engine answers, and what its base would not."""

from app.services import Services
from trainer.adapter import CONFIG, WEIGHTS, directory_sha256
from trainer.manifest import Canary

CANARY = Canary(
    prompt=({"role": "user", "content": "?"},), token_ids=(1, 2), logprobs=(-1.0, -1.0), base_logprobs=(-2.0, -1.0)
)


def add_version(services: Services, name: str) -> None:
    """Install a version that a round might have made of the base."""
    path = services.shelf.path(name)
    path.mkdir(parents=True)
    (path / CONFIG).write_text("{}")
    (path / WEIGHTS).write_bytes(name.encode())
    (path / "prefloop.json").write_text(f'{{"canary": {CANARY.model_dump_json()}}}')
    services.store.versions.add(name, round_id=None, parent="base", sha256=directory_sha256(path))
