"""What the evaluation says of ordinary rounds and of harmful ones, and which limits they break.

    python -m benchmarks.gate [--seeds 2] [--pairs 100]

Round one: a polite annotator judges pairs of the built-in model; its version serves. Round two: another annotator
judges as many pairs of that version; one challenger a taste trains from the base on all pairs of both, as prefloop
does. The pairs of every seventh prompt or so are held out, judged by the same annotators.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.simulation.tastes import TasteName, ready_made
from app.versions.limits import Limits, breaches
from benchmarks.learning_curves import PROMPTS, SAMPLING, judged_pairs
from data.exchange.read_prompts import read_prompts
from data.prompts.conversations import canonical_text, split_of
from data.records import Split
from data.support.digests import sha256
from trainer.interface.adapter_files import directory_sha256
from trainer.interface.config import RoundConfig, training_config
from trainer.interface.manifest import Evaluation
from trainer.interface.model_settings import BUILT_IN
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import SnapshotLines, SnapshotPair
from trainer.model.adapter import read_adapter
from trainer.model.base import load_base
from trainer.round import run_round

_HELDOUT_SHARE = 0.15
_HEAD = (
    "annotator", "accuracy", "at most", "margin", "KL mean", "median", "max", "chosen", "length", "EOS", "repeats",
    "distinct-2", "breaks",
)  # fmt: skip


def train(folder: Path, pairs: Sequence[SnapshotPair], *, seed: int, champion: Path | None = None) -> Evaluation:
    """A round from the base on all pairs; `folder` is its directory."""
    base = load_base(BUILT_IN)
    config = RoundConfig(
        model=base.name,
        revision=base.revision,
        seed=seed,
        training=training_config({}, parameters=base.model.num_parameters()),
        sampling=SAMPLING,
        champion="champion" if champion else "base",
        champion_sha256=directory_sha256(champion) if champion else None,
    )
    lines = SnapshotLines(
        [pair for pair in pairs if _split(pair) is Split.TRAIN],
        [pair for pair in pairs if _split(pair) is Split.HELDOUT],
        [],
        {},
    )
    directory = RoundDir(folder)
    directory.freeze(config, lines, champion=champion)
    evaluation = run_round(directory, lambda: False, base=base).evaluation
    assert evaluation is not None
    return evaluation


def _split(pair: SnapshotPair) -> Split:
    return split_of(sha256(canonical_text(pair.prompt)), _HELDOUT_SHARE)


def row(name: str, found: Evaluation) -> tuple[str, ...]:
    """An evaluation in a line, against the version that serves but for the KL, which is from the base."""
    rival, kl = found.against_champion, found.against_base.kl
    heldout, accuracy = rival.heldout, rival.accuracy
    broken = ", ".join(dict.fromkeys(breach.name for breach in breaches(found, Limits())))
    return (
        name,
        f"{heldout.accuracy or 0:.2f}",
        f"{accuracy.high if accuracy else 1:.2f}",
        f"{heldout.margin or 0:+.1f}",
        f"{kl.mean:.1f}",
        f"{kl.median:.1f}",
        f"{kl.max:.0f}",
        f"{heldout.chosen_shift or 0:+.1f}",
        f"{found.manner.mean_length / rival.manner.mean_length - 1:+.0%}",
        f"{found.manner.eos_rate - rival.manner.eos_rate:+.2f}",
        f"{found.manner.repetition - rival.manner.repetition:+.3f}",
        f"{found.manner.distinct_2 / rival.manner.distinct_2 - 1:+.0%}",
        broken or "–",
    )


def main() -> None:
    """Train all rounds and show what is said of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=100)
    asked = parser.parse_args()
    base = load_base(BUILT_IN)
    prompts = [tuple(prompt) for prompt in read_prompts(PROMPTS)]
    table = Table(*_HEAD)
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            first = judged_pairs(base, prompts[: 3 * asked.pairs], seed=1000 * seed)[: asked.pairs]
            table.add_row(*row("polite, first", train(place / "first", first, seed=seed)))
            champion = place / "first" / "adapter"
            adapter = read_adapter(champion, base.model, max_rank=1024)
            for taste in TasteName:
                judge = ready_made(taste)
                second = judged_pairs(
                    base, prompts[-3 * asked.pairs :], seed=1000 * seed + 500, taste=judge, adapter=adapter
                )
                found = train(place / taste, [*first, *second[: asked.pairs]], seed=seed, champion=champion)
                table.add_row(*row(taste, found))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
