"""Rounds as trainers leave them, without a trainer: an entry in the store and a directory of files."""

import math
from pathlib import Path

from data.records import RoundState
from data.store import PreferenceStore
from tests.models import EVALUATION, REPORT
from trainer.interface.config import RoundConfig, TrainingConfig
from trainer.interface.manifest import Agreement, Canary, Manifest, Progress
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import SnapshotLines


def add_round(
    store: PreferenceStore,
    home: Path,
    state: RoundState,
    *,
    training: TrainingConfig,
    steps: int = 40,
    started_by: int | None = None,
    reason: str | None = None,
    accuracy: float | None = None,
) -> RoundDir:
    """Add a round that has gone through so many steps; with an accuracy on held-out pairs it has a manifest too."""
    config = RoundConfig(model="canned", revision="0", seed=0, training=training)
    settings = config.model_dump(mode="json")
    entry = store.rounds.create(config=settings, started_by=started_by, admit=lambda *_: None)
    directory = RoundDir(home / "rounds" / f"{entry.id:06d}")
    directory.freeze(config, SnapshotLines((), (), (), {}))
    write_steps(directory, range(1, steps + 1), pace=training.learning_rate)
    directory.set_progress(Progress(phase="training", step=steps, steps=60, seconds_left=75.0))
    if accuracy is not None:
        directory.set_progress(Progress(phase="evaluating", step=steps, steps=steps))
        directory.set_manifest(manifest(accuracy, steps))
    store.rounds.set_state(entry.id, state, reason=reason)
    return directory


def write_steps(directory: RoundDir, steps: range, *, pace: float) -> None:
    """Metrics that fall and rise like a training's, and a log that says so."""
    for step in steps:
        learned = 1 - math.exp(-step * pace * 1000)
        wobble = 0.04 * math.sin(5 * step)
        row = {"step": step, "loss": 0.69 - 0.4 * learned + wobble, "margin": 2 * learned + wobble}
        directory.add_metrics(
            {**row, "accuracy": 0.5 + 0.4 * learned + wobble, "learning_rate": pace, "chosen_logps": -40 - 9 * learned}
        )
        with directory.log.open("a") as log:
            log.write(f"step {step}: loss {row['loss']:.3f}\n")


def manifest(accuracy: float, steps: int) -> Manifest:
    """What a trainer says at its end."""
    heldout = Agreement(pairs=30, accuracy=accuracy, margin=1.2, ranking_before=0.5, ranking_after=0.6)
    return Manifest(
        snapshot_sha256="5" * 64,
        adapter_sha256="a" * 64,
        model="canned",
        revision="0",
        steps=steps,
        report=REPORT.model_copy(update={"heldout": heldout, "notes": ("Memory ran out | once.",), "seconds": 61.0}),
        canary=Canary(prompt=(), token_ids=(), logprobs=(), base_logprobs=()),
        software={"torch": "2.9"},
        evaluation=EVALUATION,
    )
