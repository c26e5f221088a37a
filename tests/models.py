"""A random Llama that any test can afford, and adapters for it as a trainer would leave them."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from data.records import Message
from trainer.evaluation.canary import CanaryAnswer, make_canary
from trainer.forward.probe import choose_forward
from trainer.interface.adapter_files import directory_sha256
from trainer.interface.manifest import (
    Agreement,
    Divergence,
    Drift,
    Evaluation,
    Interval,
    Manifest,
    Manner,
    Probe,
    Report,
    RivalScores,
)
from trainer.model.base import load_base
from trainer.model.policy import Policy

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% if m['role'] == 'assistant' %}</s>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
ANSWER = (70, 71, 80, 90, 75, 100, 2)
EGG: tuple[Message, ...] = ({"role": "user", "content": "how do I boil an egg?"},)
REPORT = Report(
    algorithm="dpo",
    reference="base",
    forward="packed",
    train=Agreement(
        pairs=1,
        accuracy=1.0,
        margin=2.0,
        ranking_before=0.5,
        ranking_after=1.0,
        chosen_shift=1.5,
        rejected_shift=-0.5,
    ),
    heldout=Agreement(pairs=0),
    drift=Drift(
        kl_mean=0.1, kl_median=0.05, kl_max=0.9, mean_length=9.0, eos_rate=1.0, distinct_1=0.5, distinct_2=0.75
    ),
    seconds=1.0,
    memory_mb=99.0,
)
_MANNER = Manner(answers=64, mean_length=40.0, eos_rate=0.95, distinct_1=0.4, distinct_2=0.8, repetition=0.02)


def compared(rival: str, manner: Manner = _MANNER) -> RivalScores:
    """A challenger that does well against a rival."""
    return RivalScores(
        rival=rival,
        heldout=Agreement(pairs=20, accuracy=0.75, margin=3.0, chosen_shift=-2.0, rejected_shift=-5.0),
        accuracy=Interval(low=0.53, high=0.89),
        margin=Interval(low=1.0, high=5.0),
        kl=Divergence(mean=8.0, median=6.5, max=31.0),
        manner=manner,
    )


EVALUATION = Evaluation(
    manner=_MANNER.model_copy(update={"mean_length": 44.0}),
    against_base=compared("base"),
    against_champion=compared("round-000001"),
    champion=compared("base"),
    probes=(
        Probe(prompt=EGG, answers={"base": "Boil it.", "round-000001": "Gently.", "challenger": "For 7 minutes."}),
    ),
)


def save_random_model(path: Path) -> Path:
    """Write a two-layer Llama with random weights and a byte-level tokenizer."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        ["how do I boil an egg?"],
        BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE
    )
    fast.save_pretrained(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(fast),
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def save_adapter(model: Path, out: Path, *, seed: int, strength: float = 0.05) -> Manifest:
    """Write an adapter with random weights and return the manifest its trainer would have written."""
    base = load_base(str(model))
    policy = Policy.from_base(base, rank=4, alpha=8, seed=seed)
    with torch.no_grad():
        for parameter in policy.lora.parameters.values():
            parameter.copy_(torch.randn_like(parameter) * strength)
    policy.save(out)
    return Manifest(
        snapshot_sha256="0" * 64,
        adapter_sha256=directory_sha256(out),
        model=base.name,
        revision=base.revision,
        steps=1,
        report=REPORT,
        canary=make_canary(policy, choose_forward(base.model).forward, [CanaryAnswer(EGG, ANSWER)]),
        software={},
    )
