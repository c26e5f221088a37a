"""`python -m trainer.builtin_model --out DIR`: make the built-in model from its corpus, in minutes on a CPU.

A small Llama with its own tokenizer, trained on the assistant's tokens only. The same recipe on the same machine gives
the same files.
"""

import json
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import torch
import typer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from data.errors import InputError
from data.records import Message
from trainer.builtin_model.corpus import Corpus, load_corpus
from trainer.builtin_model.model_card import card

PAD, BEGIN, END = "<|pad|>", "<|begin|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "<|begin|>{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('the role must be system, user or assistant, not ' + message['role']) }}{% endif %}"
    "<|{{ message['role'] }}|>{{ message['content'] | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

_IGNORE = -100  # the label that cross-entropy ignores
_POOL = 16  # batches drawn at once and grouped by length, to reduce padding
_TOKENIZER_SAMPLE = 20_000  # conversations the tokenizer is trained on


@dataclass(frozen=True, slots=True)
class Recipe:
    """What determines the model: its shape, its training and its seed."""

    vocab_size: int = 2048
    hidden_size: int = 160
    intermediate_size: int = 448
    layers: int = 4
    heads: int = 5
    context: int = 1024
    steps: int = 2800
    batch_size: int = 16
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """The result of a recipe; losses are in nats per assistant token, one per step."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    losses: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """Token ids of a conversation; those from answer_start on are trained, END included."""

    ids: tuple[int, ...]
    answer_start: int


def make(recipe: Recipe, corpus: Corpus, tokenizer: PreTrainedTokenizerFast | None = None) -> Made:
    """Train a model from scratch, and its tokenizer unless one is given."""
    tokenizer = tokenizer or train_tokenizer(corpus, recipe)
    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(_config(recipe, tokenizer))
    losses = tuple(_train(model, recipe, _batches(corpus, tokenizer, recipe)))
    return Made(model.train(mode=False), tokenizer, losses)


def train_tokenizer(corpus: Corpus, recipe: Recipe) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with the chat template; it encodes any text without unknown tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        (m["content"] for chat in islice(corpus.conversations(recipe.seed), _TOKENIZER_SAMPLE) for m in chat),
        trainers.BpeTrainer(
            vocab_size=recipe.vocab_size,
            special_tokens=[PAD, BEGIN, END, *ROLES],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    build: Callable[..., PreTrainedTokenizerFast] = PreTrainedTokenizerFast  # the constructor is untyped
    return build(
        tokenizer_object=bpe,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE,
        model_max_length=recipe.context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def encode(chat: Sequence[Message], tokenizer: PreTrainedTokenizerFast) -> TrainingExample:
    """Encode a conversation: the prompt as the chat template renders it for sampling, then the last answer and END."""
    turns = [{"role": str(m["role"]), "content": m["content"]} for m in chat[:-1]]
    prompt = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer = tokenizer(chat[-1]["content"], add_special_tokens=False)["input_ids"]
    return TrainingExample((*before, *answer, int(tokenizer.eos_token_id)), len(before))


def save(made: Made, recipe: Recipe, corpus: Corpus, out: Path) -> None:
    """Write model, tokenizer and model card. Raises InputError if out is not a directory."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give --out a directory")
    made.model.save_pretrained(out)
    made.tokenizer.save_pretrained(out)
    text = card(
        parameters=sum(p.numel() for p in made.model.parameters()),
        topics=len(corpus.topics),
        vocabulary=len(made.tokenizer),
        steps=recipe.steps,
        batch=recipe.batch_size,
        rate=recipe.learning_rate,
        seed=recipe.seed,
        losses=made.losses,
    )
    (out / "README.md").write_text(text, "utf-8")


def main(
    out: Annotated[Path, typer.Option(file_okay=False, help="Where the model's files go.")],
    prompts: Annotated[Path | None, typer.Option(help="Also write the built-in prompts to this file.")] = None,
    steps: Annotated[int, typer.Option(help="Training steps.")] = Recipe().steps,
    seed: Annotated[int, typer.Option(help="Seed of weights and text.")] = Recipe().seed,
    threads: Annotated[int, typer.Option(help="CPU threads; another number may change the last bits.")] = 1,
) -> None:
    """Make the built-in model."""
    torch.set_num_threads(threads)
    recipe, corpus = Recipe(steps=steps, seed=seed), load_corpus()
    save(make(recipe, corpus), recipe, corpus, out)
    if prompts:
        lines = (json.dumps({"prompt": [{"role": "user", "content": text}]}) for text in corpus.prompts())
        prompts.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _config(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        initializer_range=0.06,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _train(model: LlamaForCausalLM, recipe: Recipe, batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[float]:
    """Yield each step's loss."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.05)
    model.train()
    progress = tqdm(islice(batches, recipe.steps), total=recipe.steps, unit="step")
    for step, (ids, labels) in enumerate(progress):
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(step, recipe)
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        progress.set_postfix(loss=f"{loss.item():.3f}")
        yield loss.item()


def _learning_rate(step: int, recipe: Recipe) -> float:
    """Return the learning rate: a short warm-up, then a half cosine down to a fiftieth."""
    warm_up = min(1.0, (step + 1) / 40)
    return recipe.learning_rate * warm_up * (0.51 + 0.49 * math.cos(math.pi * step / recipe.steps))


def _batches(corpus: Corpus, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (ids, labels) without end, both int64 [batch, longest]; a batch has examples of similar length."""
    chats = corpus.conversations(recipe.seed + 1)
    rng = random.Random(recipe.seed)
    while True:
        pool = [encode(chat, tokenizer) for chat in islice(chats, _POOL * recipe.batch_size)]
        pool.sort(key=lambda example: len(example.ids))
        cuts = [pool[i : i + recipe.batch_size] for i in range(0, len(pool), recipe.batch_size)]
        rng.shuffle(cuts)
        yield from (_collate(cut, int(tokenizer.pad_token_id)) for cut in cuts)


def _collate(examples: list[TrainingExample], pad: int) -> tuple[Tensor, Tensor]:
    """Pad on the right: a causal model never looks there, so no attention mask is needed."""
    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), pad)
    labels = torch.full((len(examples), longest), _IGNORE)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        labels[row, example.answer_start : len(example.ids)] = torch.tensor(example.ids[example.answer_start :])
    return ids, labels


if __name__ == "__main__":
    typer.run(main)
