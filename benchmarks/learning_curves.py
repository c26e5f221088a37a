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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console

from app.tastes import TasteName, ready_made
from data.prompts_file import read_prompts
from data.records import Choice, FinishReason, Message, Sampling
from trainer.base import BUILT_IN, Base, load_base
from trainer.config import PPOConfig, RoundConfig, training_config
from trainer.generate import Request, Sampler
from trainer.lora import Lora
from trainer.round import run_round
from trainer.round_dir import RoundDir
from trainer.snapshot import SnapshotCompletion, SnapshotLines, SnapshotPair

ALGORITHMS = ("dpo", "cdpo", "robust", "ipo", "hinge", "simpo", "kto", "ppo")
PROMPTS = Path(__file__).parent.parent / "data" / "seed" / "prompts.jsonl"
SAMPLING = Sampling(temperature=0.9, top_p=0.95, max_new_tokens=96)
FLIP_RATE = 0.1  # the taste is Bradley-Terry: about as many of its choices go against its own scores
TASTE = ready_made(TasteName.POLITE)


@dataclass(frozen=True, slots=True)
class Point:
    """The policy after a share of the training: wins over the base by the taste."""

    algorithm: str
    share: float
    win_rate: float


def answers(base: Base, prompts: Sequence[tuple[Message, ...]], lora: Lora | None, *, seed: int) -> list[str]:
    """One answer to each prompt, the empty text for one that was cut off."""
    rank = lora.adapter().rank if lora else 1
    sampler = Sampler(base, max_rows=16, max_adapters=1, max_rank=rank)
    if lora:
        sampler.load("policy", lora.adapter())
    name = "policy" if lora else None
    rows = sampler.generate([Request(base.encode(p), name, seed + i, SAMPLING) for i, p in enumerate(prompts)])
    return [base.text(row.token_ids) for row in rows]


def judged_pairs(base: Base, prompts: Sequence[tuple[Message, ...]], *, seed: int) -> list[SnapshotPair]:
    """Pairs that the taste decided, one for each prompt that gave two whole answers which differ to it."""
    sampler = Sampler(base, max_rows=16)
    requests = [
        Request(base.encode(prompt), None, seed + 2 * i + side, SAMPLING)
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
        verdict = TASTE.judge(done[0].text, done[1].text, source)
        if verdict.choice.decisive:
            chosen, rejected = done if verdict.choice is Choice.A else done[::-1]
            pairs.append(SnapshotPair(i, prompt, chosen, rejected, float(verdict.strength or 1)))
    return pairs


def win_rate(policy: Sequence[str], base: Sequence[str]) -> float:
    """By the taste itself, ties half."""
    return sum(TASTE.better(a, b) for a, b in zip(policy, base, strict=True)) / len(policy)


class Watcher:
    """Asked after every step whether to stop; says no, and notes now and then how the last checkpoint does."""

    def __init__(self, directory: RoundDir, algorithm: str, steps: int, prompts: Sequence[tuple[Message, ...]]) -> None:
        self.points = [Point(algorithm, 0.0, 0.5)]
        self._directory = directory
        self._algorithm = algorithm
        self._steps = steps
        self._prompts = prompts
        self._base = load_base(BUILT_IN)
        self._of_base = answers(self._base, prompts, None, seed=1)
        self._seen = 0

    def __call__(self) -> bool:
        """Never stop."""
        if self._directory.checkpoint.exists():
            state = torch.load(self._directory.checkpoint, weights_only=True)
            if (step := int(state["step"])) >= self._seen + self._steps / 10:
                self.note(step, state["weights"])
        return False

    def note(self, step: int, weights: dict[str, torch.Tensor]) -> None:
        """Measure the policy with these weights."""
        self._seen = step
        settings = self._directory.config().training
        lora = Lora.fresh(self._base.model, rank=settings.rank, alpha=settings.alpha, seed=0)
        with torch.no_grad():
            for name, tensor in lora.parameters.items():
                tensor.copy_(weights[name])
        won = win_rate(answers(self._base, self._prompts, lora, seed=1000), self._of_base)
        self.points.append(Point(self._algorithm, min(1.0, step / self._steps), won))
