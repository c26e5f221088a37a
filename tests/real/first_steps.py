"""Run as a process of its own: the estimate of a round, then the steps of its heaviest batches, and what that took.

    python -m tests.real.first_steps MODEL PREFERENCES PAIRS STEPS

Prints JSON: bytes that were estimated, bytes that the process held at most, the budget, CPU seconds a pair.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch

from data.formats.preference_file import read_preferences
from trainer.algorithms.dpo import PreferenceObjective
from trainer.algorithms.optimizer import LoraOptimizer
from trainer.algorithms.training_run import epoch_batches
from trainer.forward.encoding import TokenPair
from trainer.forward.packing import micro_batches
from trainer.forward.reference import group_logps
from trainer.forward.token_budget import peak_memory_mb
from trainer.interface.config import RoundConfig, training_config
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import lines_of_examples
from trainer.model.base import load_base
from trainer.preflight.memory_estimate import MemoryEstimate, free_bytes
from trainer.preflight.model_check import check_training
from trainer.round import open_round


def main(model: str, preferences: str, pairs: int, steps: int, given: str = "{}") -> dict[str, object]:
    """See above; given: keys of [training], as JSON."""
    torch.set_num_threads(1)
    base = load_base(model)
    training = training_config(json.loads(given), parameters=base.model.num_parameters())
    config = RoundConfig(model=base.name, revision=base.revision, seed=0, training=training)
    examples = read_preferences(Path(preferences)).pairs[:pairs]
    lines = lines_of_examples(examples, [], heldout_share=0.0, excluded={})
    with tempfile.TemporaryDirectory() as folder:
        directory = RoundDir(Path(folder) / "round")
        directory.freeze(config, lines)
        activations = check_training(base, rank=training.rank).activations
        needed = MemoryEstimate.of(directory, base, activations, free=free_bytes(base.model.device))
        round_ = open_round(directory, lambda: False, base)
    policy, forward, budget = round_.policy, round_.forward.forward, round_.budget
    learner = LoraOptimizer(policy.lora.parameters, training, steps=100, budget=budget)

    def weight(batch: list[TokenPair]) -> int:
        """Bytes of the batch's heaviest pass, by the estimate."""
        parts = micro_batches([pair.tokens for pair in batch], int, budget=budget.tokens)
        return max(activations.of(part, again=needed.use.recomputes(sum(part))) for part in parts)

    batches = sorted(epoch_batches(round_.data.train, training.batch_size, 0, 0), key=weight, reverse=True)
    seconds, done, tokens = 0.0, 0, 0
    for batch in batches[:steps]:
        groups = [pair.group for pair in batch]
        with policy.reference(), torch.no_grad():
            reference = group_logps(policy, forward, groups, budget)
        objective = PreferenceObjective(policy, forward, training, reference, None)  # type: ignore[arg-type]
        began = time.process_time()
        learner.learn(batch, lambda pair: pair.tokens, objective.terms)
        seconds += time.process_time() - began
        done += len(batch)
        tokens += sum(pair.tokens for pair in batch)
    return {
        "estimated": needed.bytes,
        "held": peak_memory_mb() * 2**20,
        "token_budget": budget.tokens,
        "recompute_above": policy.recompute_above,
        "longest": max(pair.tokens for pair in round_.data.train),
        "words": str(needed),
        "pairs": done,
        "tokens": tokens,
        "seconds_a_pair": seconds / done,
    }


if __name__ == "__main__":
    model, preferences, pairs, steps, *given = sys.argv[1:]
    sys.stdout.write(json.dumps(main(model, preferences, int(pairs), int(steps), *given)))
