"""How much memory one pass through a model keeps for its backward pass, counted on the model itself.

Autograd says what it saves: a short pass forward, with a LoRA on, shows what a token takes, whatever the architecture
is made of. For a Llama that is, in numbers a layer and a token: 6 of the hidden size (the input, after both norms,
after attention twice, between), 4 of the MLP's width, query, key and value, and a rank for each linear module.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from transformers.modeling_layers import GradientCheckpointingLayer

from trainer.forward.logprobs import TILE, Forward
from trainer.forward.packing import Group
from trainer.model.policy import Policy

_SHORT, _LONG = 48, 144  # tokens of the two passes that are counted
_LOGITS = 3  # tiles of logits at a time: as they come, in float32, and on the way back
_MANY = 2048  # tokens, whose logits are less than a tile where the vocabulary is small
_ONE_LAYER = 2  # what a layer that is computed again takes: what it keeps, and the way back through it
_HEAP = (
    1.12  # how much the C library holds for what is in use (trainer/model/heap.py); on a GPU what is allocated counts
)


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes that a group of T packed tokens keeps: linear T + square T^2; square is where attention keeps its weights.

    inputs: bytes a token of all layers' inputs, which is all that is kept of layers that are computed again; layers:
    how many can be, 0 if they are not marked. passing: what comes and goes with any pass, whatever its size. heap: how
    many times that the process then holds.
    """

    linear: float
    square: float
    inputs: float
    layers: int
    passing: int
    heap: float = 1.0

    @property
    def layered(self) -> bool:
        """Whether layers can be computed again."""
        return self.layers > 0

    def kept(self, tokens: int, *, again: bool = False) -> int:
        """Bytes for one group of so many packed tokens; again: with layers computed twice."""
        whole = self.linear * tokens + self.square * tokens**2
        if again and self.layered:
            whole = self.inputs * tokens + _ONE_LAYER * whole / self.layers
        return int(self.heap * whole)

    def of(self, groups: Iterable[int], *, again: bool = False) -> int:
        """Bytes at the height of a pass over groups of so many packed tokens each."""
        return self.passing + sum(self.kept(tokens, again=again) for tokens in groups)

    def tokens(self, room: int, longest: int, *, again: bool = False) -> int:
        """How many tokens fit into so many bytes, in groups of at most `longest`."""
        return int((room - self.passing) / max(1.0, self.kept(longest, again=again)) * longest)


def count_activations(policy: Policy, forward: Forward) -> Activations:
    """Count what this policy's model keeps, by two short passes forward. Whatever the model raises comes through."""
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
    """Bytes that a pass over one pair of so many packed tokens saves, each piece of memory once."""
    frozen = _pieces([*policy.model.parameters(), *policy.model.buffers(), *policy.lora.parameters.values()])
    saved: dict[int, int] = {}

    def save(tensor: Tensor) -> Tensor:
        piece = tensor.untyped_storage()
        if piece.data_ptr() not in frozen:
            saved[piece.data_ptr()] = piece.nbytes()
        return tensor

    with saved_tensors_hooks(save, lambda tensor: tensor), policy.acting():
        kept = forward.token_logps(policy.model, [short_pair(tokens)])  # what it saved lives as long as this does
    del kept
    return sum(saved.values())


def _pieces(tensors: Sequence[Tensor]) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}


def short_pair(tokens: int) -> Group:
    """A prompt of a fourth of the tokens with two answers; ids that any vocabulary has, the same everywhere."""
    prompt = tokens // 4
    answer = (tokens - prompt) // 2
    ids = [3 + i % 53 for i in range(tokens)]
    return Group(tuple(ids[:prompt]), (tuple(ids[:answer]), tuple(ids[answer : 2 * answer])))
