"""`prefloop train`: train an adapter from a preference file, without a server.

It freezes a round directory from the file and runs the same trainer on it, in this process.
"""

import os
import shutil
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.models.license import say_license
from app.rounds.algorithms import Algorithm
from app.rounds.training_settings import training_of
from data.errors import ConflictError, InputError, RoundError
from data.formats.preference_file import PreferenceFile, read_preferences
from trainer.interface.config import RoundConfig
from trainer.interface.manifest import Agreement, Manifest, Report
from trainer.interface.model_settings import AS_IT_COMES, ModelOptions, ModelSettings
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import SnapshotLines, lines_of_examples
from trainer.model.base import load_base
from trainer.preflight.model_check import check_model
from trainer.process import StopSignal, assert_single_process, carry_through

_POLL_SECONDS = 0.3
_SKIPPED_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Task:
    """What to train: a preference file, a base model, the round directory to write, and the settings.

    settings: the keys of `[training]`; missing ones get the default for the model's size. options: the section
    `[model]` without the name.
    """

    pairs: Path
    model: str
    out: Path
    settings: Mapping[str, object]
    seed: int
    heldout_share: float
    options: ModelOptions = AS_IT_COMES


def read_settings(file: Path | None, algorithm: Algorithm | None) -> dict[str, object]:
    """Read the keys of a TOML file, with or without a [training] heading; algorithm overrides. Raises InputError."""
    written = _read(file)
    found = written.get("training", {key: value for key, value in written.items() if not _is_model(key, value)})
    if not isinstance(found, dict):
        raise InputError(f"{file}: training is a section, not a value")
    return found if algorithm is None else {**found, "algorithm": algorithm.value}


def read_options(file: Path | None, **flags: object) -> ModelOptions:
    """Read the section [model] of a TOML file without the name; flags that are not None override it.

    Raises InputError.
    """
    section = _read(file).get("model")
    over = {key: value for key, value in flags.items() if value is not None}
    try:
        return ModelSettings.model_validate({**(section if isinstance(section, dict) else {}), **over}).options
    except ValidationError as error:
        words = "; ".join(f"model.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InputError(f"{file}: {words}; the keys of [model] are in docs/operations.md") from error


def _read(file: Path | None) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{file} cannot be read: {error}; it holds the keys of [training], and may have a section [model], as in "
            "prefloop.toml"
        ) from error


def _is_model(key: str, value: object) -> bool:
    return key == "model" and isinstance(value, dict)


def train(task: Task, console: Console) -> Manifest:
    """Freeze, train, and print the result; if `out` holds the same round, resume it.

    Raises InputError for the file or the settings, ConflictError when `out` holds something else, RoundError when
    training fails.
    """
    assert_single_process(os.environ)  # before the model is loaded
    stop = StopSignal()
    file = read_preferences(task.pairs)
    _say_what_was_read(file, task.pairs, console)
    base = load_base(task.model, options=task.options)
    config = RoundConfig(
        model=base.name,
        model_options=task.options,
        prompt_format=base.format,
        revision=base.revision,
        seed=task.seed,
        training=training_of(task.settings, parameters=base.model.num_parameters()),
    )
    for words in check_model(base, rank=config.training.rank).missing():
        console.print(f"its chat template {words}")
    excluded = {"unreadable": len(file.skipped)} if file.skipped else {}
    lines = lines_of_examples(file.pairs, file.rated, heldout_share=task.heldout_share, excluded=excluded)
    directory = RoundDir(task.out)
    _freeze(directory, config, lines)
    console.print(f"{base.describe()}")
    console.print(say_license(base))
    console.print(
        f"{config.training.algorithm} on {len(lines.train)} pairs and {len(lines.rated)} ratings, "
        f"{len(lines.heldout)} pairs held out"
    )
    with _shown(directory, console):
        manifest = carry_through(directory, stop, base=base)
    console.print(report_table(manifest.report))
    console.print(f"The adapter is in {directory.adapter}, the whole report in {directory.path / 'manifest.json'}.")
    return manifest


def report_table(report: Report) -> Table:
    """Format a report as a table."""
    table = Table(title=f"{report.algorithm} against {report.reference}, {report.forward}", show_header=False)
    for name, value in _report_rows(report):
        table.add_row(name, value)
    return table


def _report_rows(report: Report) -> Iterator[tuple[str, str]]:
    yield "training pairs won", _won(report.train)
    yield "held-out pairs won", _won(report.heldout)
    if report.reward:
        yield "reward model, held-out accuracy", _percent(report.reward.heldout_accuracy)
    if report.train.chosen_shift is not None:
        yield (
            "chosen, rejected log-probability",
            f"{report.train.chosen_shift:+.2f}, {report.train.rejected_shift:+.2f} nats",
        )
    drift = report.drift
    yield "KL mean, median, max", f"{drift.kl_mean:.2f}, {drift.kl_median:.2f}, {drift.kl_max:.2f} nats"
    yield "answers", f"{drift.mean_length:.0f} tokens, {drift.eos_rate:.0%} end by themselves"
    yield "different words, word pairs", f"{drift.distinct_1:.2f}, {drift.distinct_2:.2f}"
    yield "prompts cut from the left", str(report.prompts_cut)
    yield "examples dropped, too long", str(report.dropped)
    yield "examples dropped, refused by the chat template", str(report.refused)
    yield "time, peak memory", f"{report.seconds:.0f} s, {report.memory_mb:.0f} MiB"
    for note in report.notes:
        yield "note", note


def _shifts(agreement: Agreement) -> str:
    return f"{agreement.chosen_shift:+.2f}, {agreement.rejected_shift:+.2f} nats a completion"


def _won(agreement: Agreement) -> str:
    ranked = f"ranked right {_percent(agreement.ranking_before)} before, {_percent(agreement.ranking_after)} after"
    return f"{_percent(agreement.accuracy)} of {agreement.pairs}; {ranked}" if agreement.pairs else "none"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _say_what_was_read(file: PreferenceFile, path: Path, console: Console) -> None:
    console.print(f"{path}: {file.format}, {len(file.pairs)} pairs, {len(file.rated)} ratings")
    for number, reason in file.skipped[:_SKIPPED_SHOWN]:
        console.print(f"  left out, {file.unit} {number}: {reason}")
    if len(file.skipped) > _SKIPPED_SHOWN:
        console.print(f"  and {len(file.skipped) - _SKIPPED_SHOWN} more")


def _freeze(directory: RoundDir, config: RoundConfig, lines: SnapshotLines) -> None:
    """Write the round directory, unless it already holds this round."""
    fresh = RoundDir(directory.path.with_name(f".{directory.path.name}.fresh"))
    shutil.rmtree(fresh.path, ignore_errors=True)
    digest = fresh.freeze(config, lines)
    try:
        if not directory.path.exists():
            fresh.path.rename(directory.path)
        elif not _holds(directory, digest):
            raise ConflictError(f"{directory.path} holds something else already; give another --out, or remove it")
    finally:
        shutil.rmtree(fresh.path, ignore_errors=True)


def _holds(directory: RoundDir, digest: str) -> bool:
    try:
        return directory.snapshot_sha256() == digest
    except RoundError:
        return False


@contextmanager
def _shown(directory: RoundDir, console: Console) -> Iterator[None]:
    """Show the trainer's progress as a bar until the block ends."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    over = threading.Event()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None, left="")

        def watch() -> None:
            while not over.wait(_POLL_SECONDS):
                if now := directory.progress():
                    rest = "" if now.seconds_left is None else f"{now.seconds_left:.0f} s left"
                    bar.update(task, description=now.phase, completed=now.step, total=now.steps or None, left=rest)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
