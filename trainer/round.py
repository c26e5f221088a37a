"""One training round: reads a round directory, trains, measures, writes adapter and manifest.

Everything it knows is in the directory. Knows no SQL and no server.
"""

import time
from collections.abc import Callable
from importlib.metadata import version

from data.errors import RoundError
from trainer.adapter import directory_sha256
from trainer.base import load_base
from trainer.batching import tokenize
from trainer.dpo import Run, train
from trainer.manifest import Manifest, Progress, Report
from trainer.policy import Policy
from trainer.report import agreement, drift, make_canary
from trainer.round_dir import RoundDir

_SOFTWARE = ("prefloop", "torch", "transformers", "peft")


def run_round(directory: RoundDir, stop: Callable[[], bool]) -> Manifest:
    """Carry a round through, from wherever an earlier try left it; returns the manifest it wrote last.

    Raises RoundError when the directory is incomplete or changed, the base is another than the round was
    frozen for, training fails, or `stop` says so (then a checkpoint is written first).
    """
    began = time.monotonic()
    snapshot_sha256 = directory.snapshot_sha256()
    config = directory.config()
    directory.set_progress(Progress(phase="loading"))
    base = load_base(config.model)
    if base.revision != config.revision:
        raise RoundError(
            f"the model {config.model} has changed since the round was frozen "
            f"({config.revision} then, {base.revision} now); start a new round"
        )
    pairs, heldout = directory.pairs(), directory.heldout()
    if not pairs:
        raise RoundError(f"round directory {directory.path} holds no pairs to train on")
    train_pairs, heldout_pairs = tokenize(base, pairs), tokenize(base, heldout)
    settings = config.training
    policy = Policy(base, rank=settings.rank, alpha=settings.alpha, seed=config.seed)
    steps = train(Run(policy, train_pairs, settings, config.seed, directory, stop))
    directory.set_progress(Progress(phase="measuring", step=steps, steps=steps))
    policy.save(directory.adapter)
    beta, budget = settings.beta, settings.token_budget
    seen = agreement(policy, train_pairs, beta=beta, token_budget=budget)
    unseen = agreement(policy, heldout_pairs, beta=beta, token_budget=budget)
    canary = make_canary(policy, pairs[0].prompt)
    drifted = drift(
        policy.detach(),
        directory.adapter,
        [pair.prompt for pair in heldout or pairs],
        sampling=config.sampling,
        seed=config.seed,
        rank=settings.rank,
    )
    manifest = Manifest(
        snapshot_sha256=snapshot_sha256,
        adapter_sha256=directory_sha256(directory.adapter),
        model=config.model,
        revision=config.revision,
        steps=steps,
        report=Report(
            pairs=len(pairs),
            heldout_pairs=len(heldout),
            heldout_accuracy=unseen.accuracy,
            heldout_margin=unseen.margin,
            train_accuracy=seen.accuracy or 0.0,
            kl_mean=drifted.kl_mean,
            mean_length=drifted.mean_length,
            eos_rate=drifted.eos_rate,
            seconds=time.monotonic() - began,
        ),
        canary=canary,
        software={name: version(name) for name in _SOFTWARE},
    )
    directory.set_manifest(manifest)
    return manifest
