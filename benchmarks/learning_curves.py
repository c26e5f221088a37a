"""Learning curves of every algorithm on the built-in model: a hidden taste, its judgments, and who wins how fast.

    python -m benchmarks.learning_curves [--algorithms dpo,ipo,...] [--json FILE] [--plot FILE.png]

A simulated annotator with the taste "polite" judges pairs that the built-in model sampled. Each algorithm trains a
round on the same pairs with its default settings; after every tenth of it the policy of the last checkpoint answers
held-out prompts, and the taste compares its answers with the base's to the same prompts. Win rates count ties half.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from rich.console import Console
from rich.table import Table

from app.simulation.tastes import Taste, TasteName, ready_made
from data.exchange.read_prompts import read_prompts
from data.records import Choice, FinishReason, Message, Sampling
from trainer.interface.config import RoundConfig, training_config
from trainer.interface.manifest import Report
from trainer.interface.model_settings import BUILT_IN
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import SnapshotCompletion, SnapshotLines, SnapshotPair
from trainer.model.adapter import Adapter, read_adapter
from trainer.model.base import Base, load_base
from trainer.model.lora import Lora
from trainer.round import run_round
from trainer.sampling.sampler import Request, Sampler

ALGORITHMS = ("dpo", "cdpo", "robust", "ipo", "hinge", "simpo", "kto", "ppo")
PROMPTS = Path(__file__).parent.parent / "data" / "seed" / "prompts.jsonl"
SAMPLING = Sampling(temperature=0.9, top_p=0.95, max_new_tokens=96)
FLIP_RATE = 0.1  # the taste is Bradley-Terry: about as many of its choices go against its own scores
TASTE = ready_made(TasteName.POLITE)
TRAIN_PROMPTS, HELDOUT_PROMPTS, POINTS = 260, 100, 6


@dataclass(frozen=True, slots=True)
class Point:
    """The policy after a share of the training: wins over the base by the taste."""

    algorithm: str
    share: float
    win_rate: float


def answers(base: Base, prompts: Sequence[tuple[Message, ...]], adapter: Adapter | None, *, seed: int) -> list[str]:
    """One answer to each prompt, by an adapter or the bare base."""
    sampler = Sampler(base, max_rows=16, max_adapters=1, max_rank=adapter.rank if adapter else 1)
    if adapter:
        sampler.load("policy", adapter)
    name = "policy" if adapter else None
    rows = sampler.generate([Request(base.encode(p), name, seed + i, SAMPLING) for i, p in enumerate(prompts)])
    return [base.text(row.token_ids) for row in rows]


def judged_pairs(
    base: Base,
    prompts: Sequence[tuple[Message, ...]],
    *,
    seed: int,
    taste: Taste = TASTE,
    adapter: Adapter | None = None,
) -> list[SnapshotPair]:
    """Pairs that a taste decided, one for each prompt that gave two whole answers which differ to it.

    adapter: whose answers; None is the bare base.
    """
    sampler = Sampler(base, max_rows=16, max_adapters=1, max_rank=adapter.rank if adapter else 1)
    if adapter:
        sampler.load("policy", adapter)
    requests = [
        Request(base.encode(prompt), "policy" if adapter else None, seed + 2 * i + side, SAMPLING)
        for i, prompt in enumerate(prompts)
        for side in (0, 1)
    ]
    rows = sampler.generate(requests)
    source = random.Random(seed)
    pairs = []
    for i, prompt in enumerate(prompts):
        two = rows[2 * i : 2 * i + 2]
        done = [
            SnapshotCompletion(base.text(row.token_ids), tuple(row.token_ids), FinishReason.STOP, "base")
            for row in two
            if row.finish_reason is FinishReason.STOP
        ]
        if len(done) < 2:
            continue
        verdict = taste.judge(done[0].text, done[1].text, source)
        if verdict.choice.decisive:
            chosen, rejected = done if verdict.choice is Choice.A else done[::-1]
            pairs.append(SnapshotPair(i, prompt, chosen, rejected, float(verdict.strength or 1)))
    return pairs


def win_rate(policy: Sequence[str], base: Sequence[str]) -> float:
    """By the taste itself, ties half."""
    return sum(TASTE.better(a, b) for a, b in zip(policy, base, strict=True)) / len(policy)


class Watcher:
    """Asked after every step whether to stop; says no, and notes now and then how the last checkpoint does."""

    def __init__(self, directory: RoundDir, algorithm: str, prompts: Sequence[tuple[Message, ...]]) -> None:
        self.points = [Point(algorithm, 0.0, 0.5)]
        self._directory = directory
        self._algorithm = algorithm
        self._prompts = prompts
        self._base = load_base(BUILT_IN)
        self._of_base = answers(self._base, prompts, None, seed=1)

    def __call__(self) -> bool:
        """Never stop."""
        now = self._directory.progress()
        if now is None or now.phase != "training" or not self._directory.checkpoint.exists():
            return False
        if now.step >= (self.points[-1].share + 1 / POINTS) * now.steps:
            state = torch.load(self._directory.checkpoint, weights_only=True)
            self._note(state["step"] / now.steps, self._with_weights(state["weights"]))
        return False

    def end(self) -> None:
        """Measure the adapter that came out."""
        self._note(1.0, read_adapter(self._directory.adapter, self._base.model, max_rank=1024))

    def _note(self, share: float, adapter: Adapter) -> None:
        if share > self.points[-1].share:
            won = win_rate(answers(self._base, self._prompts, adapter, seed=1000), self._of_base)
            self.points.append(Point(self._algorithm, share, won))

    def _with_weights(self, weights: Mapping[str, torch.Tensor]) -> Adapter:
        settings = self._directory.config().training
        lora = Lora.fresh(self._base.model, rank=settings.rank, alpha=settings.alpha, seed=0)
        with torch.no_grad():
            for name, tensor in lora.parameters.items():
                tensor.copy_(weights[name])
        return lora.adapter()


def curve(
    algorithm: str, pairs: Sequence[SnapshotPair], prompts: Sequence[tuple[Message, ...]], folder: Path
) -> tuple[list[Point], Report]:
    """One algorithm's curve, by a round with its default settings, and what its report says."""
    base = load_base(BUILT_IN)
    config = RoundConfig(
        model=base.name,
        revision=base.revision,
        seed=0,
        training=training_config({"algorithm": algorithm}, parameters=base.model.num_parameters()),
        sampling=SAMPLING,
        flip_rate=FLIP_RATE,
    )
    directory = RoundDir(folder / algorithm)
    directory.freeze(config, SnapshotLines(pairs, [], [], {}))
    watcher = Watcher(directory, algorithm, prompts)
    report = run_round(directory, watcher, base=base).report
    watcher.end()
    return watcher.points, report


def draw(points: Sequence[Point], file: Path) -> None:
    """All curves in one picture."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for algorithm in dict.fromkeys(point.algorithm for point in points):
        own = [point for point in points if point.algorithm == algorithm]
        axes.plot([p.share for p in own], [p.win_rate for p in own], marker="o", markersize=3, label=algorithm)
    axes.axhline(0.5, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="share of the training", ylabel="win rate against the base", ylim=(0.3, 1.0))
    axes.legend(ncols=4, fontsize=8)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algorithms", default=",".join(ALGORITHMS), help="some of them, with commas")
    parser.add_argument("--json", type=Path, help="file for the points")
    parser.add_argument("--plot", type=Path, help="file for the picture")
    arguments = parser.parse_args()
    prompts = [tuple(prompt) for prompt in read_prompts(PROMPTS)]
    random.Random(0).shuffle(prompts)
    pairs = judged_pairs(load_base(BUILT_IN), prompts[:TRAIN_PROMPTS], seed=0)
    heldout = prompts[TRAIN_PROMPTS : TRAIN_PROMPTS + HELDOUT_PROMPTS]
    table = Table(title=f"{len(pairs)} pairs, {len(heldout)} held-out prompts")
    for heading in ("algorithm", "win rate", "KL mean, nats", "answers end", "seconds"):
        table.add_column(heading, justify="left" if heading == "algorithm" else "right")
    points: list[Point] = []
    with tempfile.TemporaryDirectory() as folder:
        for algorithm in arguments.algorithms.split(","):
            own, report = curve(algorithm, pairs, heldout, Path(folder))
            points += own
            drift = report.drift
            row = f"{own[-1].win_rate:.3f}", f"{drift.kl_mean:.1f}", f"{drift.eos_rate:.0%}", f"{report.seconds:.0f}"
            table.add_row(algorithm, *row)
            Console().print(algorithm, *row)
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(point) for point in points], indent=2) + "\n")
    if arguments.plot:
        draw(points, arguments.plot)


if __name__ == "__main__":
    main()
