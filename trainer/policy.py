"""The policy that trains: which adapters act for it, which for its reference, and what becomes of it.

Knows nothing of losses or pairs.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from torch.utils.checkpoint import checkpoint
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from data.errors import AdapterError, ModelError
from trainer.adapter import Adapter, write_adapter
from trainer.base import Base
from trainer.lora import Lora, LoraStack, stacked


class Policy:
    """A frozen base and one LoRA that trains, starting exactly at its reference.

    Made by one of `from_base`, `from_version`, `on_merged`. Outside `acting` and `reference` the model is the
    bare base.
    """

    def __init__(
        self, base: Base, stack: LoraStack, lora: Lora, *, below: tuple[Lora, ...], against: tuple[Lora, ...]
    ) -> None:
        self.base = base
        self.stack = stack
        self.lora = lora
        self.gradient_checkpointing = False
        self._below = below
        self._against = against

    @classmethod
    def from_base(cls, base: Base, *, rank: int, alpha: int, seed: int) -> "Policy":
        """A fresh adapter; the reference is the base."""
        lora = Lora.fresh(base.model, rank=rank, alpha=alpha, seed=seed)
        return cls(base, LoraStack(base.model), lora, below=(), against=())

    @classmethod
    def from_version(cls, base: Base, version: Adapter) -> "Policy":
        """The version's adapter trains on; the reference is the version as it was.

        Raises AdapterError when the version changes the output head.
        """
        _check_head(base, version)
        return cls(base, LoraStack(base.model), Lora(version), below=(), against=(Lora(version).freeze(),))

    @classmethod
    def on_merged(cls, base: Base, version: Adapter, *, rank: int, alpha: int, seed: int) -> "Policy":
        """A fresh adapter on base and version together, which are the reference.

        The version acts as a frozen adapter below instead of being folded into the weights: the same function,
        and nothing is rounded. Raises AdapterError when the version changes the output head.
        """
        _check_head(base, version)
        below = Lora(version).freeze()
        lora = Lora.fresh(base.model, rank=rank, alpha=alpha, seed=seed)
        return cls(base, LoraStack(base.model), lora, below=(below,), against=(below,))

    @property
    def model(self) -> PreTrainedModel:
        """The model to call within `acting` or `reference`."""
        return self.base.model

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Within, the model is the policy."""
        with (
            self.stack.acting(*self._below, self.lora),
            recomputing(self.model, self.stack) if self.gradient_checkpointing else nullcontext(),
        ):
            yield

    def reference(self) -> AbstractContextManager[None]:
        """Within, the model is the reference."""
        return self.stack.acting(*self._against)

    def adapter(self) -> Adapter:
        """The policy as one adapter of the base, as it is now."""
        own = self.lora.adapter()
        return stacked(self._below[0].adapter(), own) if self._below else own

    def reference_adapter(self) -> Adapter | None:
        """The reference as an adapter of the base; None when it is the base."""
        return self._against[0].adapter() if self._against else None

    def save(self, path: Path) -> None:
        """Write the policy in PEFT's format; the directory appears whole or not at all."""
        write_adapter(path, self.adapter(), self.model, base_name=self.base.name)


def _check_head(base: Base, version: Adapter) -> None:
    head = base.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if any(base.model.get_submodule(name) is head for name in version.layers):
        raise AdapterError("this version changes the output head, which stays frozen here; train from the base")


@contextmanager
def recomputing(model: PreTrainedModel, stack: LoraStack) -> Iterator[None]:
    """Within, layers keep only their input and compute again in the backward pass (Chen 2016, 1604.06174).

    The backward pass comes later: it takes up the adapters and the attention that act now. Not by transformers'
    switch, which works in training mode only, where dropout would wake up. Raises ModelError for a model whose
    layers are not marked.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError("this model's layers cannot be computed again; turn gradient_checkpointing off")
    config = model.config.get_text_config()

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _again(config, config._attn_implementation, stack, stack.now)

    for layer in layers:
        vars(layer)["forward"] = partial(checkpoint, layer.forward, use_reentrant=False, context_fn=contexts)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["forward"]


@contextmanager
def _again(config: PretrainedConfig, attention: str, stack: LoraStack, loras: tuple[Lora, ...]) -> Iterator[None]:
    """Within, this attention and these adapters act."""
    before = config._attn_implementation
    config._attn_implementation = attention
    try:
        with stack.acting(*loras):
            yield
    finally:
        config._attn_implementation = before
