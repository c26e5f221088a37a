"""How much memory a round will need at least, before it starts. An estimate: nothing is loaded for it.

Knows nothing of who else uses the machine.
"""

from dataclasses import dataclass

import psutil
import torch
from torch import nn

from trainer.base import Base
from trainer.round_dir import RoundDir
from trainer.snapshot import SnapshotPair

_PROCESS = 700 * 2**20  # Python with torch and transformers in the CPU's memory, measured on Linux
_CONTEXT = 512 * 2**20  # what CUDA takes of a GPU for a process at least; 1.1 GiB was seen, torch's reserve included
_ADAPTER_BYTES = 16  # a float32 weight, its gradient, and AdamW's two moments
# Bytes of activations a token, a layer and a unit of hidden size, for each byte of the dtype: 34 at 16 bit without
# attention's own (Korthikanti 2022, 2205.05198, eq. 1), and 2 where they are recomputed (sec. 4.3).
_KEPT, _RECOMPUTED = 17, 1
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that training needs: the weights, the adapter with its optimiser, the longest example, the process."""

    weights: int
    adapter: int
    activations: int
    process: int

    @property
    def bytes(self) -> int:
        """All together."""
        return self.weights + self.adapter + self.activations + self.process

    def __str__(self) -> str:
        return (
            f"weights {self.weights // _MIB} MiB, adapter {self.adapter // _MIB} MiB, longest example "
            f"{self.activations // _MIB} MiB, process {self.process // _MIB} MiB"
        )

    @classmethod
    def of(cls, directory: RoundDir, base: Base) -> "Footprint":
        """That of a frozen round of this base: whatever more there is, training uses to go faster."""
        training, model = directory.config().training, base.model
        linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
        sizes = model.config.get_text_config()
        width = next(model.parameters()).element_size()
        kept = _RECOMPUTED if training.gradient_checkpointing else _KEPT
        tokens = min(_longest(directory, base), training.max_tokens or base.context)
        return cls(
            weights=sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()),
            adapter=_ADAPTER_BYTES * training.rank * sum(one.in_features + one.out_features for one in linears),
            activations=kept * width * tokens * sizes.num_hidden_layers * sizes.hidden_size,
            process=_PROCESS if model.device.type == "cpu" else _CONTEXT,
        )


def free_bytes(device: torch.device) -> int:
    """Memory that another process could have on a device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _longest(directory: RoundDir, base: Base) -> int:
    """Tokens of the longest pair, packed: the prompt once and both answers."""
    pairs = directory.pairs()
    if not pairs:
        return base.context
    longest = max(pairs, key=_characters)
    answers = (
        completion.token_ids or base.encode_completion(completion.text, ended=True)
        for completion in (longest.chosen, longest.rejected)
    )
    return len(base.encode(longest.prompt)) + sum(map(len, answers))


def _characters(pair: SnapshotPair) -> int:
    return sum(len(turn["content"]) for turn in pair.prompt) + len(pair.chosen.text) + len(pair.rejected.text)
