"""Gradient checkpointing: layers keep only their input and recompute the rest in the backward pass."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from data.errors import ModelError
from trainer.model.heap import given_back, holes_given_back
from trainer.model.lora import Lora, LoraStack

_Layer = Callable[..., Any]


@contextmanager
def recomputing(model: PreTrainedModel, stack: LoraStack, *, above: int | None) -> Iterator[None]:
    """While the block runs, layers that receive more than `above` tokens are recomputed in the backward pass.

    This is activation checkpointing (Chen 2016, 1604.06174). None: never recompute. In any case each layer returns
    unused CPU memory to the system.

    The backward pass comes later, after the block: it restores the adapters and the attention active now. transformers'
    own switch is not used, since it requires training mode, which would enable dropout. Raises ModelError for a model
    that does not mark its layers.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if above is not None and not layers:
        raise ModelError("this model's layers cannot be computed again; turn gradient_checkpointing off")
    config = model.config.get_text_config()

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return holes_given_back(), _again(config, config._attn_implementation, stack, stack.now)

    for layer in layers:
        once = given_back(layer.forward)
        again = partial(checkpoint, layer.forward, use_reentrant=False, context_fn=contexts)
        vars(layer)["forward"] = once if above is None else _by_size(once, again, above)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["forward"]


def _by_size(once: _Layer, again: _Layer, above: int) -> _Layer:
    """Return a layer's forward that chooses by the tokens of its input: hidden_states [rows, T, H]."""

    def forward(hidden_states: Tensor, *args: object, **kwargs: object) -> Any:  # noqa: ANN401
        tokens = hidden_states.shape[0] * hidden_states.shape[1]
        return (again if tokens > above else once)(hidden_states, *args, **kwargs)

    return forward


@contextmanager
def _again(config: PretrainedConfig, attention: str, stack: LoraStack, loras: tuple[Lora, ...]) -> Iterator[None]:
    """While the block runs, activate this attention and these adapters."""
    before = config._attn_implementation
    config._attn_implementation = attention
    try:
        with stack.acting(*loras), holes_given_back():
            yield
    finally:
        config._attn_implementation = before
