"""Random Llamas that benchmarks run on: of some sizes, seeded, made on the spot, nothing downloaded.

Speed does not ask what the weights say. Ids below FIRST_ID are special; a benchmark draws its prompts above them.
"""

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainer.interface.model_settings import PromptFormat
from trainer.model.adapter import Adapter, LoraWeights
from trainer.model.base import Base
from trainer.prompting.prompt_format import PLAIN_TEMPLATE, PromptFormatter

PAD, BOS, EOS, FIRST_ID = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Size:
    """A Llama's measures, and the torch threads that serve it best on two cores."""

    hidden: int
    intermediate: int
    layers: int
    vocabulary: int
    threads: int


# named after the parameters of their layers; with embedding and head they have 6.9 M and 57 M
SIZES = {
    "5M": Size(256, 688, 6, 4096, threads=1),
    "50M": Size(512, 1376, 8, 32000, threads=2),
    "500M": Size(1024, 4096, 24, 32000, threads=8),  # for a GPU
    "500M wide": Size(2048, 8192, 8, 32000, threads=8),  # the same with fewer layers
}


def random_base(size: str, *, seed: int = 0) -> Base:
    """A Llama with random float32 weights on the CPU, ready as load_base would leave it."""
    measures = SIZES[size]
    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=measures.hidden,
        intermediate_size=measures.intermediate,
        num_hidden_layers=measures.layers,
        num_attention_heads=8,
        num_key_value_heads=4,
        vocab_size=measures.vocabulary,
        max_position_embeddings=2048,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).train(False).requires_grad_(False)
    tokenizer, plain = _tokenizer(measures.vocabulary), PromptFormat(template=PLAIN_TEMPLATE)
    return Base(
        name=f"random-{size}",
        revision=str(seed),
        model=model,
        tokenizer=tokenizer,
        eos_ids=frozenset({EOS}),
        context=2048,
        plain_template=True,
        prompts=PromptFormatter(tokenizer, plain),
        former=plain,
    )


def random_adapter(base: Base, *, rank: int = 16, seed: int = 0, size: float = 0.02) -> Adapter:
    """A LoRA on every linear module but the head, alpha twice the rank, A and B normal with this deviation."""
    source = torch.Generator().manual_seed(seed)
    head = base.model.get_output_embeddings()
    layers = {}
    for name, module in base.model.named_modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            down = torch.randn(rank, module.in_features, generator=source) * size
            up = torch.randn(module.out_features, rank, generator=source) * size
            layers[name] = LoraWeights(down, up, 2.0)
    return Adapter(layers)


def _tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """One word an id: enough for whoever asks a base for its tokenizer."""
    words = {"<pad>": PAD, "<s>": BOS, "</s>": EOS} | {f"w{i}": i for i in range(3, vocabulary)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="<pad>")),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        chat_template=PLAIN_TEMPLATE,
    )
