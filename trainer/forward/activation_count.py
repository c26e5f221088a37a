"""Measure how much memory one pass through a model keeps for its backward pass.

Autograd's hooks report every tensor it saves: two short forward passes with a LoRA show the bytes per token, whatever
the architecture. For a Llama the numbers per layer and token are: 6 times the hidden size (the input, after both norms,
after attention twice, between), 4 times the MLP's width, query, key and value, and a rank for each linear module.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from transformers.modeling_layers import GradientCheckpointingLayer

from trainer.forward.logprobs import TILE, Forward
from trainer.forward.packing import Group
from trainer.model.policy import Policy

_SHORT, _LONG = 48, 144  # tokens of the two measured passes
_LOGITS = 3  # tiles of logits held at a time: as computed, in float32, and in the backward pass
_MANY = 2048  # tokens whose logits take less than a tile if the vocabulary is small
_ONE_LAYER = 2  # a recomputed layer takes this many times its share: what it keeps, and its backward pass
_HEAP = 1.12  # bytes the C library holds per byte in use (trainer/model/heap.py); on a GPU, allocated bytes count


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes that a group of T packed tokens keeps: linear T + square T^2, where square comes from attention weights.

    inputs: bytes per token of all layers' inputs, which is all that recomputed layers keep; layers: how many layers
    can be recomputed, 0 if the model does not mark them. passing: temporary bytes of any pass, whatever its size.
    heap: factor between bytes in use and bytes the process holds.
    """

    linear: float
    square: float
    inputs: float
    layers: int
    passing: int
    heap: float = 1.0

    @property
    def layered(self) -> bool:
        """Whether layers can be recomputed (gradient checkpointing)."""
        return self.layers > 0

    def kept(self, tokens: int, *, again: bool = False) -> int:
        """Return the bytes that one group of this many packed tokens keeps; again: with layers recomputed."""
        whole = self.linear * tokens + self.square * tokens**2
        if again and self.layered:
            whole = self.inputs * tokens + _ONE_LAYER * whole / self.layers
        return int(self.heap * whole)

    def of(self, groups: Iterable[int], *, again: bool = False) -> int:
        """Return the peak bytes of a pass over groups of these sizes in packed tokens."""
        return self.passing + sum(self.kept(tokens, again=again) for tokens in groups)

    def tokens(self, room: int, longest: int, *, again: bool = False) -> int:
        """Return how many tokens fit into `room` bytes, in groups of at most `longest`."""
        return int((room - self.passing) / max(1.0, self.kept(longest, again=again)) * longest)


def count_activations(policy: Policy, forward: Forward) -> Activations:
    """Measure what this policy's model keeps, by two short forward passes. Errors of the model are passed on."""
    model = policy.model
    short, long = (_count(policy, forward, tokens) for tokens in (_SHORT, _LONG))
    square = max(0.0, (long / _LONG - short / _SHORT) / (_LONG - _SHORT))
    layers = sum(isinstance(module, GradientCheckpointingLayer) for module in model.modules())
    width = int(model.config.get_text_config().hidden_size) * model.dtype.itemsize
    return Activations(
        linear=long / _LONG - square * _LONG,
        square=square,
        inputs=float(layers * width),
        layers=layers,
        passing=_LOGITS * 4 * min(TILE, _MANY * int(model.config.get_text_config().vocab_size)),
        heap=_HEAP if model.device.type == "cpu" else 1.0,
    )


def _count(policy: Policy, forward: Forward, tokens: int) -> int:
    """Return the bytes saved by a pass over one pair of this many packed tokens, each storage counted once."""
    frozen = _pieces([*policy.model.parameters(), *policy.model.buffers(), *policy.lora.parameters.values()])
    saved: dict[int, int] = {}

    def save(tensor: Tensor) -> Tensor:
        piece = tensor.untyped_storage()
        if piece.data_ptr() not in frozen:
            saved[piece.data_ptr()] = piece.nbytes()
        return tensor

    with saved_tensors_hooks(save, lambda tensor: tensor), policy.acting():
        kept = forward.token_logps(policy.model, [short_pair(tokens)])  # keeps the saved tensors alive
    del kept
    return sum(saved.values())


def _pieces(tensors: Sequence[Tensor]) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


def short_pair(tokens: int) -> Group:
    """Build a prompt (a quarter of the tokens) with two answers, from ids that exist in any vocabulary."""
    prompt = tokens // 4
    answer = (tokens - prompt) // 2
    ids = [3 + i % 53 for i in range(tokens)]
    return Group(tuple(ids[:prompt]), (tuple(ids[:answer]), tuple(ids[answer : 2 * answer])))
