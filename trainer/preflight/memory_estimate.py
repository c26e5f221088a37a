"""Estimate how much memory a round will need before it starts, with the same choice of budget as the trainer.

It uses the measured bytes per token (trainer/forward/activation_count.py); nothing is loaded or computed for it.
app/rounds calls it to decide whether a trainer fits beside the served model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from trainer.algorithms.kto import ratings_of
from trainer.algorithms.training_run import epoch_batches
from trainer.forward.activation_count import Activations
from trainer.forward.encoding import Encoder
from trainer.forward.memory_choice import choose
from trainer.forward.packing import micro_batches
from trainer.interface.config import KTOConfig, PPOConfig, RoundConfig
from trainer.interface.memory_use import MemoryUse
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import SnapshotPair
from trainer.model.base import Base
from trainer.model.linear_map import lora_targets
from trainer.model.machine_memory import MachineMemory

_PROCESS = 526 * 2**20  # Python with torch and transformers in CPU memory, measured on Linux
_VOCABULARY = 1300  # bytes per token of a tokenizer, measured on Gemma 3's 262,144
_CONTEXT = 512 * 2**20  # least GPU memory of a CUDA process; 1.1 GiB was seen, torch's reserve included
_ADAPTER_BYTES = 16  # per parameter: a float32 weight, its gradient, and AdamW's two moments
_MOST_PAIRS = 2000  # pairs tokenized for an estimate: the longest ones
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes that training needs: the weights, the adapter with its optimiser, the largest pass, the process."""

    weights: int
    adapter: int
    activations: int
    process: int
    use: MemoryUse

    @property
    def bytes(self) -> int:
        """The sum of all parts."""
        return self.weights + self.adapter + self.activations + self.process

    def __str__(self) -> str:
        again = ", computed twice" if self.use.recompute_above == 0 else ""
        return (
            f"weights {self.weights // _MIB} MiB, adapter {self.adapter // _MIB} MiB, activations "
            f"{self.activations // _MIB} MiB{again}, process {self.process // _MIB} MiB"
        )

    @classmethod
    def of(cls, directory: RoundDir, base: Base, activations: Activations, *, free: int) -> "MemoryEstimate":
        """Estimate a frozen round of this base, given the free bytes before the trainer starts."""
        config, model = directory.config(), base.model
        cpu = model.device.type == "cpu"
        weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        linears = lora_targets(model).values()
        adapter = _ADAPTER_BYTES * config.training.rank * sum(one.in_features + one.out_features for one in linears)
        process = _PROCESS + _VOCABULARY * len(base.tokenizer) if cpu else _CONTEXT
        sizes = _sizes(directory, base, config)
        longest = max(sizes, default=base.context)
        use = choose(
            config.training,
            activations,
            longest=longest,
            free=free - weights - adapter - process,
            cpu=cpu,
            last=directory.memory(),
        ).use
        passes = _passes(sizes or [longest], config, use.token_budget)
        largest = max(activations.of(part, again=use.recomputes(sum(part))) for part in passes)
        return cls(weights, adapter, largest, process, use)


def free_bytes(device: torch.device) -> int:
    """Return the free memory for another process on a device: of the GPU, or within this process's limits."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return MachineMemory().free()


def _sizes(directory: RoundDir, base: Base, config: RoundConfig) -> list[int]:
    """Return the packed tokens of each example, in the directory's order; only of the longest if there are many."""
    pairs = directory.pairs()
    if len(pairs) > _MOST_PAIRS:
        pairs = sorted(pairs, key=_characters, reverse=True)[:_MOST_PAIRS]
    encoder = Encoder(base, max_tokens=config.training.max_tokens)
    found = encoder.pairs(pairs)
    if not isinstance(config.training, KTOConfig):
        return [pair.tokens for pair in found]
    return [rating.group.tokens for rating in (*ratings_of(found), *encoder.ratings(directory.rated()))]


def _passes(sizes: Sequence[int], config: RoundConfig, budget: int) -> Iterator[list[int]]:
    """Yield the sizes of the examples in each pass, as training will draw them in its first epoch."""
    training = config.training
    if isinstance(training, PPOConfig):  # assume that sampled completions are as long as the longest example
        sizes = [max(sizes)] * training.batch_size
    for batch in epoch_batches(sizes, training.batch_size, config.seed, 0):
        yield from micro_batches(batch, int, budget=budget)


def _characters(pair: SnapshotPair) -> int:
    return sum(len(turn["content"]) for turn in pair.prompt) + len(pair.chosen.text) + len(pair.rejected.text)
