"""The round directory: the whole interface between the server and a trainer.

    config.json            RoundConfig                    written by the server
    pairs.jsonl            training pairs                 written by the server
    heldout.jsonl          held-out pairs                 written by the server
    rated.jsonl            completions rated good or bad  written by the server
    parent/                the reference's adapter        written by the server, if the reference is a version
    champion/              the serving adapter            written by the server, unless the base serves
    snapshot.json          hash of the four, counts       written by the server
    reference.safetensors  the reference's logps          written by the trainer
    reward/                a PPO round's reward model     written by the trainer
    metrics.jsonl          one line per step              written by the trainer
    progress.json          phase, steps, time left        written by the trainer
    memory.json            tokens at a time               written by the trainer; halved by the server after an OOM kill
    checkpoint.pt          state to resume from           written by the trainer
    adapter/               PEFT's own format              written by the trainer
    failure.json           the reason, as text            written by the trainer, if it fails
    manifest.json          last, by atomic rename         written by the trainer: its presence means success
    .lock                  held while it runs              by the trainer

The output of the trainer process goes to trainer.log, beside these.
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
"""Exit status of a trainer that met a full disk, where it may have been unable to write the reason down."""

_Model = TypeVar("_Model", bound=BaseModel)
_SNAPSHOT_FILES = ("config.json", "pairs.jsonl", "heldout.jsonl", "rated.jsonl")


class RoundDir:
    """Access to the files of one round directory."""

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
        """Write config and snapshot, completely or not at all; returns their hash.

        parent: adapter directory of a reference that is a version; champion: that of the serving version.
        Raises FileExistsError.
        """
        if self.path.exists():
            raise FileExistsError(f"{self.path} exists already; a frozen round is never overwritten")
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
        """Check and return the frozen hash. Raises RoundError when a file was changed since, or is missing."""
        try:
            frozen = str(json.loads((self.path / "snapshot.json").read_text())["sha256"])
            found = self._digest()
        except (OSError, ValueError, KeyError) as error:
            raise RoundError(f"round directory {self.path} is not complete: {error}") from error
        if frozen != found:
            raise RoundError(f"round directory {self.path}: config or pairs were changed after they were frozen")
        return frozen

    def config(self) -> RoundConfig:
        """Return the round's settings. Raises RoundError naming an unknown or invalid key."""
        try:
            return RoundConfig.model_validate_json((self.path / "config.json").read_text())
        except (OSError, ValidationError) as error:
            raise RoundError(f"{self.path / 'config.json'}: {error}") from error

    def pairs(self) -> list[SnapshotPair]:
        """Return the training pairs."""
        return read_pairs(self.path / "pairs.jsonl")

    def heldout(self) -> list[SnapshotPair]:
        """Return the held-out pairs."""
        return read_pairs(self.path / "heldout.jsonl")

    def rated(self) -> list[SnapshotRating]:
        """Return completions rated good or bad that belong to no decided pair; only KTO trains on them."""
        return read_ratings(self.path / "rated.jsonl")

    def metrics(self) -> list[dict[str, float]]:
        """Return one dict per step so far; an incomplete last line is skipped."""
        if not self.metrics_file.exists():
            return []
        lines = self.metrics_file.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def add_metrics(self, step: dict[str, float]) -> None:
        """Append the metrics of one step."""
        with self.metrics_file.open("a") as stream:
            stream.write(json.dumps(step) + "\n")

    def cut_metrics(self, steps: int) -> None:
        """Remove the lines after `steps`, which a resumed run will write again."""
        lines = [json.dumps(line) for line in self.metrics() if line["step"] <= steps]
        self._replace("metrics.jsonl", "".join(line + "\n" for line in lines))

    def progress(self) -> Progress | None:
        """Return the trainer's progress; None before it has started."""
        return self._read("progress.json", Progress)

    def set_progress(self, progress: Progress) -> None:
        """Store the trainer's progress."""
        self._replace("progress.json", progress.model_dump_json())

    def memory(self) -> MemoryUse | None:
        """Return the trainer's memory settings; None before it has chosen them."""
        return self._read("memory.json", MemoryUse)

    def set_memory(self, use: MemoryUse) -> None:
        """Store the memory settings of this attempt, or of the next one."""
        self._replace("memory.json", use.model_dump_json())

    def failure(self) -> str | None:
        """Return why the trainer failed, if it could write that down."""
        file = self.path / "failure.json"
        return str(json.loads(file.read_text())["reason"]) if file.exists() else None

    def set_failure(self, reason: str | None) -> None:
        """Store why the trainer failed; None clears it at a new start."""
        if reason is None:
            (self.path / "failure.json").unlink(missing_ok=True)
        else:
            self._replace("failure.json", json.dumps({"reason": reason}))

    def drop_parts(self) -> None:
        """Delete files left half-written by a failed trainer, which only take space."""
        for part in self.path.rglob("*.part"):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)

    def manifest(self) -> Manifest | None:
        """Return the manifest; None until the trainer has succeeded."""
        return self._read("manifest.json", Manifest)

    def set_manifest(self, manifest: Manifest) -> None:
        """Write the manifest, the trainer's last step."""
        self._replace("manifest.json", manifest.model_dump_json(indent=2))

    def taken(self) -> bool:
        """Return whether a trainer runs or has succeeded here, so that another one would not train this round."""
        return self._held() or (self.path / "manifest.json").exists()  # in this order: the lock is released last

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
        """Write a file atomically, so that no reader sees half of it."""
        part = self.path / f".{name}.part"
        part.write_text(text)
        part.replace(self.path / name)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name in _SNAPSHOT_FILES:
            content = (self.path / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())  # so that moving a line between files changes the hash
            digest.update(content)
        return digest.hexdigest()
