"""What trainer tests stand on: pairs a toy policy can learn, adapters, and frozen round directories."""

import random
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from data.records import Completion, FinishReason, Message, Preference, Prompt, Sampling, Snapshot, Split
from trainer.forward.encoding import TokenPair
from trainer.interface.config import DPOConfig, RoundConfig, TrainingConfig
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import SnapshotLines, lines_of_store
from trainer.model.adapter import Adapter, LoraWeights
from trainer.model.base import Base

EOS = 2
LIKED, DISLIKED = 200, 210


def ask(text: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": text},)


def random_ids(source: random.Random, shortest: int, longest: int) -> tuple[int, ...]:
    """Ids that end nothing and mean nothing."""
    return tuple(source.randrange(6, 190) for _ in range(source.randrange(shortest, longest)))


def toy_pairs(count: int, *, seed: int = 0) -> list[TokenPair]:
    """Separable: one token is always in the chosen and never in the rejected, another the reverse."""
    source = random.Random(seed)

    def answer(mark: int) -> tuple[int, ...]:
        return (*random_ids(source, 2, 8), mark, mark, EOS)

    return [TokenPair(random_ids(source, 3, 12), answer(LIKED), answer(DISLIKED)) for _ in range(count)]


def preference(number: int, pair: TokenPair, text: str = "how do I boil an egg?") -> Preference:
    def completion(token_ids: tuple[int, ...], key: int) -> Completion:
        logprobs = tuple(-1.0 for _ in token_ids)
        return Completion(key, number, "base", "", token_ids, logprobs, FinishReason.STOP, Sampling(), key, 0)

    prompt = Prompt(number, ask(f"{text} {number}"), "h", Split.TRAIN, "test", None, 0)
    chosen, rejected = completion(pair.chosen_ids, 2 * number), completion(pair.rejected_ids, 2 * number + 1)
    return Preference(number, prompt, chosen, rejected, 2.0, (number,))


def toy_snapshot(train: int = 12, heldout: int = 4) -> Snapshot:
    preferences = [preference(i, pair) for i, pair in enumerate(toy_pairs(train + heldout))]
    return Snapshot(tuple(preferences[:train]), tuple(preferences[train:]), {"tie": 3})


def freeze(
    path: Path,
    base: Base,
    *,
    snapshot: Snapshot | SnapshotLines | None = None,
    config: TrainingConfig | None = None,
    model: str = "",
    max_new_tokens: int = 8,
    **more: Any,
) -> RoundDir:
    """A round directory ready to train, short enough for a test."""
    directory = RoundDir(path)
    training = config or DPOConfig(epochs=8, batch_size=4, rank=4, alpha=8, checkpoint_every=5, learning_rate=1e-2)
    settings = RoundConfig(
        model=model or base.name,
        revision=base.revision,
        seed=7,
        training=training,
        sampling=Sampling(max_new_tokens=max_new_tokens),
        **{"prompt_format": base.format, **more},
    )
    lines = snapshot if isinstance(snapshot, SnapshotLines) else lines_of_store(snapshot or toy_snapshot())
    directory.freeze(settings, lines)
    return directory


def linears(model: nn.Module) -> dict[str, nn.Linear]:
    found = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    return {name: module for name, module in found.items() if "lm_head" not in name}


def random_lora(model: nn.Module, *, seed: int, rank: int = 4, size: float = 0.1) -> Adapter:
    """An adapter on every linear module but the head, far from zero."""
    source = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=source) * size

    return Adapter(
        {
            name: LoraWeights(draw(rank, module.in_features), draw(module.out_features, rank), 2.0)
            for name, module in linears(model).items()
        }
    )


def as_peft(model: PreTrainedModel, adapter: Adapter) -> PeftModel:
    """The same adapter in peft's own hands, as an oracle; changes the model."""
    rank = adapter.rank
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")
    wrapped = get_peft_model(model, config)
    parameters = dict(wrapped.named_parameters())
    with torch.no_grad():
        for name, lora in adapter.layers.items():
            parameters[f"base_model.model.{name}.lora_A.default.weight"].copy_(lora.down)
            parameters[f"base_model.model.{name}.lora_B.default.weight"].copy_(lora.up)
    return wrapped.eval()
