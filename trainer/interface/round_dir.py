"""The round directory: the whole interface between the loop and a trainer.

    config.json       RoundConfig                      written before
    pairs.jsonl       what trains                      written before
    heldout.jsonl     what only measures               written before
    rated.jsonl       completions found good or bad    written before
    parent/           the reference's adapter          written before, if the reference is a version
    champion/         the adapter that serves          written before, unless the base does
    snapshot.json     hash of the four, counts         written before
    reference.safetensors  the reference's logps       by the trainer
    reward/           a PPO round's reward model       by the trainer
    metrics.jsonl     one line a step                  by the trainer
    progress.json     phase, steps, time left          by the trainer
    memory.json       tokens at a time                 by the trainer; halved by who sees it killed for memory
    checkpoint.pt     to go on after a kill            by the trainer
    adapter/          PEFT's own format                by the trainer
    failure.json      the reason, in words             by the trainer, if it fails
    manifest.json     last, by atomic rename           by the trainer: the truth that it ended well
    .lock             held while it runs               by the trainer

Knows neither SQL nor models.
"""

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from data.errors import RoundError
from trainer.interface.config import RoundConfig
from trainer.interface.manifest import Manifest, Progress
from trainer.interface.memory_use import MemoryUse
from trainer.interface.snapshot import (
    SnapshotLines,
    SnapshotPair,
    SnapshotRating,
    read_pairs,
    read_ratings,
    write_lines,
)

NO_ROOM = os.EX_IOERR
"""The exit status of a trainer that may have found no room to say that the disk is full."""

_Model = TypeVar("_Model", bound=BaseModel)
_SNAPSHOT_FILES = ("config.json", "pairs.jsonl", "heldout.jsonl", "rated.jsonl")


class RoundDir:
    """One round's directory by its parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.adapter = path / "adapter"
        self.parent = path / "parent"
        self.champion = path / "champion"
        self.reference = path / "reference.safetensors"
        self.checkpoint = path / "checkpoint.pt"
        self.metrics_file = path / "metrics.jsonl"
        self.log = path / "trainer.log"
        self.lock = path / ".lock"

    def freeze(
        self,
        config: RoundConfig,
        snapshot: SnapshotLines,
        *,
        parent: Path | None = None,
        champion: Path | None = None,
    ) -> str:
        """Write config and snapshot, whole or not at all; returns their hash.

        parent is the adapter directory of a reference that is a version, champion that of the version that serves.
        Raises FileExistsError.
        """
        if self.path.exists():
            raise FileExistsError(f"{self.path} is there already; a frozen round is never frozen over")
        part = RoundDir(self.path.with_name(f".{self.path.name}.part"))
        shutil.rmtree(part.path, ignore_errors=True)
        try:
            digest = part._fill(config, snapshot)
            for adapter, copy in ((parent, part.parent), (champion, part.champion)):
                if adapter is not None:
                    shutil.copytree(adapter, copy)
            part.path.rename(self.path)
        finally:
            shutil.rmtree(part.path, ignore_errors=True)
        return digest

    def _fill(self, config: RoundConfig, snapshot: SnapshotLines) -> str:
        self.path.mkdir(mode=0o700, parents=True)
        (self.path / "config.json").write_text(config.model_dump_json(indent=2) + "\n")
        write_lines(self.path / "pairs.jsonl", snapshot.train)
        write_lines(self.path / "heldout.jsonl", snapshot.heldout)
        write_lines(self.path / "rated.jsonl", snapshot.rated)
        digest = self._digest()
        counts = {
            "train": len(snapshot.train),
            "heldout": len(snapshot.heldout),
            "rated": len(snapshot.rated),
            "excluded": snapshot.excluded,
        }
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
        return read_pairs(self.path / "pairs.jsonl")

    def heldout(self) -> list[SnapshotPair]:
        """What only measures."""
        return read_pairs(self.path / "heldout.jsonl")

    def rated(self) -> list[SnapshotRating]:
        """Completions that were found good or bad without a pair that says so; only KTO trains on them."""
        return read_ratings(self.path / "rated.jsonl")

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

    def memory(self) -> MemoryUse | None:
        """What the trainer takes at a time, or None before it has chosen."""
        return self._read("memory.json", MemoryUse)

    def set_memory(self, use: MemoryUse) -> None:
        """Say what the trainer takes at a time, now or in its next try."""
        self._replace("memory.json", use.model_dump_json())

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

    def drop_parts(self) -> None:
        """Throw away what was being written when the trainer gave up: it only takes room."""
        for part in self.path.rglob("*.part"):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)

    def manifest(self) -> Manifest | None:
        """The manifest, or None while there is none: the trainer has not ended well."""
        return self._read("manifest.json", Manifest)

    def set_manifest(self, manifest: Manifest) -> None:
        """The trainer's last act."""
        self._replace("manifest.json", manifest.model_dump_json(indent=2))

    def taken(self) -> bool:
        """Whether a trainer has this round, or has ended well: another one will not train it."""
        return self._held() or (self.path / "manifest.json").exists()  # in this order: the lock is let go last

    def _held(self) -> bool:
        try:
            with self.lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

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
            content = (self.path / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())  # so that no line can move from file to file
            digest.update(content)
        return digest.hexdigest()
