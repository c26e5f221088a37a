"""The policy being trained and its reference: which adapters are active for each, and how the result is saved."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from transformers import PreTrainedModel

from data.errors import AdapterError
from trainer.model.activation_checkpointing import recomputing
from trainer.model.adapter import Adapter, write_adapter
from trainer.model.adapter_card import CARD, PROMPT_FORMAT, adapter_card
from trainer.model.base import Base
from trainer.model.lora import Lora, LoraStack, stacked


class Policy:
    """A frozen base and one trainable LoRA, which starts equal to its reference.

    Create it with `from_base`, `from_version` or `on_merged`. Outside `acting` and `reference` the model is the
    bare base.
    """

    def __init__(
        self, base: Base, stack: LoraStack, lora: Lora, *, below: tuple[Lora, ...], against: tuple[Lora, ...]
    ) -> None:
        self.base = base
        self.stack = stack
        self.lora = lora
        self.recompute_above: int | None = None
        self._below = below
        self._against = against

    @classmethod
    def from_base(cls, base: Base, *, rank: int, alpha: int, seed: int) -> "Policy":
        """Start with a fresh adapter; the reference is the base."""
        lora = Lora.fresh(base.model, rank=rank, alpha=alpha, seed=seed)
        return cls(base, LoraStack(base.model), lora, below=(), against=())

    @classmethod
    def from_version(cls, base: Base, version: Adapter) -> "Policy":
        """Continue training a version's adapter; the reference is the version as it was.

        Raises AdapterError when the version changes the output head.
        """
        check_head(base, version)
        return cls(base, LoraStack(base.model), Lora(version), below=(), against=(Lora(version).freeze(),))

    @classmethod
    def on_merged(cls, base: Base, version: Adapter, *, rank: int, alpha: int, seed: int) -> "Policy":
        """Start with a fresh adapter on base plus version, which together are the reference.

        The version is active as a frozen adapter instead of being merged into the weights: the same function, without
        rounding. Raises AdapterError when the version changes the output head.
        """
        check_head(base, version)
        below = Lora(version).freeze()
        lora = Lora.fresh(base.model, rank=rank, alpha=alpha, seed=seed)
        return cls(base, LoraStack(base.model), lora, below=(below,), against=(below,))

    @property
    def model(self) -> PreTrainedModel:
        """The model to call within `acting` or `reference`."""
        return self.base.model

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Make the model the policy within the block."""
        with (
            self.stack.acting(*self._below, self.lora),
            recomputing(self.model, self.stack, above=self.recompute_above),
        ):
            yield

    def reference(self) -> AbstractContextManager[None]:
        """Make the model the reference within the block."""
        return self.stack.acting(*self._against)

    def adapter(self) -> Adapter:
        """Return the current policy as one adapter of the base."""
        own = self.lora.adapter()
        return stacked(self._below[0].adapter(), own) if self._below else own

    def reference_adapter(self) -> Adapter | None:
        """Return the reference as an adapter of the base; None when it is the base."""
        return self._against[0].adapter() if self._against else None

    def save(self, path: Path) -> None:
        """Write the policy in PEFT's format, with its model card and the prompt format it was trained with.

        The directory appears complete or not at all.
        """
        texts = {CARD: adapter_card(self.base), PROMPT_FORMAT: self.base.format.model_dump_json(indent=2) + "\n"}
        write_adapter(path, self.adapter(), self.model, base_name=self.base.name, texts=texts)


def check_head(base: Base, version: Adapter) -> None:
    """Raise AdapterError when a version changes the output head, which the log-probabilities assume to be frozen."""
    head = base.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if any(base.model.get_submodule(name) is head for name in version.layers):
        raise AdapterError("this version changes the output head, which stays frozen here; train from the base")
