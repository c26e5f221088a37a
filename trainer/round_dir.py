"""The round directory: the whole interface between the loop and a trainer.

    config.json       RoundConfig                      written before
    pairs.jsonl       what trains                      written before
    heldout.jsonl     what only measures               written before
    snapshot.json     hash of the three, counts        written before
    metrics.jsonl     one line a step                  by the trainer
    progress.json     phase, steps, time left          by the trainer
    checkpoint.pt     to go on after a kill            by the trainer
    adapter/          PEFT's own format                by the trainer
    failure.json      the reason, in words             by the trainer, if it fails
    manifest.json     last, by atomic rename           by the trainer: the truth that it ended well

Knows neither SQL nor models.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from data.errors import RoundError
from data.records import Completion, Message, Preference, Snapshot
from trainer.config import RoundConfig
from trainer.manifest import Manifest, Progress

_Model = TypeVar("_Model", bound=BaseModel)
_SNAPSHOT_FILES = ("config.json", "pairs.jsonl", "heldout.jsonl")


@dataclass(frozen=True, slots=True)
class SnapshotPair:
    """One line of pairs.jsonl as the trainer reads it."""

    pair_id: int
    prompt: tuple[Message, ...]
    chosen_ids: tuple[int, ...]
    rejected_ids: tuple[int, ...]
    strength: float


class RoundDir:
    """One round's directory by its parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.adapter = path / "adapter"
        self.checkpoint = path / "checkpoint.pt"
        self.metrics_file = path / "metrics.jsonl"
        self.log = path / "trainer.log"

    def freeze(self, config: RoundConfig, snapshot: Snapshot) -> str:
        """Write config and snapshot, whole or not at all; returns their hash. Raises FileExistsError."""
        if self.path.exists():
            raise FileExistsError(f"{self.path} is there already; a frozen round is never frozen over")
        part = RoundDir(self.path.with_name(f".{self.path.name}.part"))
        shutil.rmtree(part.path, ignore_errors=True)
        digest = part._fill(config, snapshot)
        part.path.rename(self.path)
        return digest

    def _fill(self, config: RoundConfig, snapshot: Snapshot) -> str:
        self.path.mkdir(parents=True)
        (self.path / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
        _write_lines(self.path / "pairs.jsonl", map(_pair_line, snapshot.train))
        _write_lines(self.path / "heldout.jsonl", map(_pair_line, snapshot.heldout))
        digest = self._digest()
        counts = {"train": len(snapshot.train), "heldout": len(snapshot.heldout), "excluded": snapshot.excluded}
        self._replace("snapshot.json", json.dumps({"sha256": digest, **counts}, indent=2))
        return digest

    def snapshot_sha256(self) -> str:
        """The frozen hash, checked. Raises RoundError when a file has changed since, or is missing."""
        try:
            frozen = str(json.loads((self.path / "snapshot.json").read_text())["sha256"])
            found = self._digest()
        except (OSError, ValueError, KeyError) as error:
            raise RoundError(f"round directory {self.path} is not complete: {error}") from error
        if frozen != found:
            raise RoundError(f"round directory {self.path}: config or pairs were changed after they were frozen")
        return frozen

    def config(self) -> RoundConfig:
        """The round's settings. Raises RoundError naming an unknown or bad key."""
        try:
            return RoundConfig.model_validate_json((self.path / "config.json").read_text())
        except (OSError, ValidationError) as error:
            raise RoundError(f"{self.path / 'config.json'}: {error}") from error

    def pairs(self) -> list[SnapshotPair]:
        """What trains."""
        return _read_pairs(self.path / "pairs.jsonl")

    def heldout(self) -> list[SnapshotPair]:
        """What only measures."""
        return _read_pairs(self.path / "heldout.jsonl")

    def metrics(self) -> list[dict[str, float]]:
        """One dict a step so far; a line that is still being written is left out."""
        if not self.metrics_file.exists():
            return []
        lines = self.metrics_file.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def add_metrics(self, step: dict[str, float]) -> None:
        """Append one step's line."""
        with self.metrics_file.open("a") as stream:
            stream.write(json.dumps(step) + "\n")

    def cut_metrics(self, steps: int) -> None:
        """Forget the lines after `steps`, which a resumed run will write again."""
        lines = [json.dumps(line) for line in self.metrics() if line["step"] <= steps]
        self._replace("metrics.jsonl", "".join(line + "\n" for line in lines))

    def progress(self) -> Progress | None:
        """Where the trainer stands, or None before it has started."""
        return self._read("progress.json", Progress)

    def set_progress(self, progress: Progress) -> None:
        """Say where the trainer stands."""
        self._replace("progress.json", progress.model_dump_json())

    def failure(self) -> str | None:
        """Why the trainer gave up, in words, if it could say so."""
        file = self.path / "failure.json"
        return str(json.loads(file.read_text())["reason"]) if file.exists() else None

    def set_failure(self, reason: str | None) -> None:
        """Say why the trainer gives up; None at a new start."""
        if reason is None:
            (self.path / "failure.json").unlink(missing_ok=True)
        else:
            self._replace("failure.json", json.dumps({"reason": reason}))

    def manifest(self) -> Manifest | None:
        """The manifest, or None while there is none: the trainer has not ended well."""
        return self._read("manifest.json", Manifest)

    def set_manifest(self, manifest: Manifest) -> None:
        """The trainer's last act."""
        self._replace("manifest.json", manifest.model_dump_json(indent=2))

    def _read(self, name: str, kind: type[_Model]) -> _Model | None:
        file = self.path / name
        return kind.model_validate_json(file.read_text()) if file.exists() else None

    def _replace(self, name: str, text: str) -> None:
        """Write a file so that no reader ever sees half of it."""
        part = self.path / f".{name}.part"
        part.write_text(text)
        part.replace(self.path / name)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name in _SNAPSHOT_FILES:
            digest.update((self.path / name).read_bytes())
        return digest.hexdigest()


def _completion(completion: Completion) -> dict[str, Any]:
    return {
        "version": completion.version,
        "text": completion.text,
        "token_ids": completion.token_ids,
        "finish_reason": completion.finish_reason,
    }


def _pair_line(preference: Preference) -> dict[str, Any]:
    return {
        "pair_id": preference.pair_id,
        "judgment_ids": preference.judgment_ids,
        "prompt": preference.prompt.messages,
        "chosen": _completion(preference.chosen),
        "rejected": _completion(preference.rejected),
        "strength": preference.strength,
    }


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _read_pairs(path: Path) -> list[SnapshotPair]:
    rows: Sequence[dict[str, Any]] = [json.loads(line) for line in path.read_text().split("\n") if line]
    return [
        SnapshotPair(
            pair_id=row["pair_id"],
            prompt=tuple(row["prompt"]),
            chosen_ids=tuple(row["chosen"]["token_ids"]),
            rejected_ids=tuple(row["rejected"]["token_ids"]),
            strength=row["strength"],
        )
        for row in rows
    ]
