"""Making the built-in model, and the committed one: fluent, varied, on the topic, small."""

import json
import re
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from data.errors import InputError
from tests.trainer.plainly import templated
from trainer.builtin_model.__main__ import Recipe, encode, make, save, train_tokenizer
from trainer.builtin_model.corpus import Corpus, Topic, load_corpus, words_of

HOME = Path(str(files("data"))) / "seed" / "tiny"
PROMPTS = Path(str(files("data"))) / "seed" / "prompts.jsonl"
SMALL = Recipe(hidden_size=64, intermediate_size=128, layers=2, heads=2, steps=120, batch_size=16)
PER_PROMPT = 4
POLITE = ("please", "thank", "kindly", "glad", "happy", "pleasure", "hope this", "wish you")


@dataclass(frozen=True)
class Answers:
    """PER_PROMPT samples to each prompt, in order, and whether each ended by itself."""

    topics: list[Topic]
    texts: list[str]
    ended: list[bool]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    found = AutoTokenizer.from_pretrained(HOME, local_files_only=True)
    assert isinstance(found, PreTrainedTokenizerFast)
    return found


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(HOME, local_files_only=True)


@pytest.fixture(scope="module")
def answers(corpus: Corpus, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Answers:
    topics = list(corpus.topics[::2])
    prompts = [topic.fill(corpus.questions[i % len(corpus.questions)]) for i, topic in enumerate(topics)]
    return Answers(topics, *sample(model, tokenizer, prompts))


def sample(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, prompts: list[str]
) -> tuple[list[str], list[bool]]:
    texts = [render(tokenizer, prompt) for prompt in prompts for _ in range(PER_PROMPT)]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generate: Any = model.generate  # transformers types it for a class that only type checkers see
        ids = generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            do_sample=True,
            temperature=0.9,
            top_p=0.95,
            top_k=0,
            max_new_tokens=96,
        )
    new = [row[batch["input_ids"].shape[1] :] for row in ids]
    ended = [bool((row == tokenizer.eos_token_id).any()) for row in new]
    return [str(tokenizer.decode(row, skip_special_tokens=True)).strip() for row in new], ended


def render(tokenizer: PreTrainedTokenizerFast, prompt: str) -> str:
    return templated(tokenizer, [{"role": "user", "content": prompt}], add_generation_prompt=True)


# Making it


@pytest.mark.slow
def test_training_brings_the_loss_far_below_its_start(corpus: Corpus, tokenizer: PreTrainedTokenizerFast) -> None:
    losses = make(SMALL, corpus, tokenizer).losses
    assert len(losses) == SMALL.steps
    assert mean(losses[-10:]) < 0.65 * losses[0]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    corpus: Corpus, tokenizer: PreTrainedTokenizerFast
) -> None:
    few = replace(SMALL, steps=3)
    first, again, other = (
        torch.cat([p.flatten() for p in make(recipe, corpus, tokenizer).model.parameters()])
        for recipe in (few, few, replace(few, seed=1))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_what_is_saved_loads_with_the_same_answers(
    corpus: Corpus, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    recipe = replace(SMALL, steps=2)
    made = make(recipe, corpus, tokenizer)
    save(made, recipe, corpus, tmp_path / "model")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model", local_files_only=True)
    ids = torch.tensor([encode(next(corpus.conversations(1)), tokenizer).ids])
    assert torch.equal(loaded(input_ids=ids).logits, made.model(input_ids=ids).logits)
    assert "2 steps" in (tmp_path / "model" / "README.md").read_text("utf-8")


def test_saving_over_a_file_says_so(corpus: Corpus, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("mine", "utf-8")
    with pytest.raises(InputError, match="is a file"):
        save(make(replace(SMALL, steps=1), corpus, tokenizer), SMALL, corpus, target)
    assert target.read_text("utf-8") == "mine"


# The tokenizer and its template


def test_the_committed_tokenizer_is_the_one_the_corpus_gives(
    corpus: Corpus, tokenizer: PreTrainedTokenizerFast
) -> None:
    assert train_tokenizer(corpus, Recipe()).get_vocab() == tokenizer.get_vocab()


@pytest.mark.parametrize("text", ["naïve café", "怎么煮鸡蛋？", "🙂🙃", "a\tb\n\n c", "\x00\x7f", "x" * 5000])
def test_any_text_survives_the_tokenizer(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text


def test_special_tokens_are_distinct_and_single(tokenizer: PreTrainedTokenizerFast) -> None:
    specials = ["<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    assert tokenizer.convert_tokens_to_ids(specials) == list(range(6))
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)


def test_the_template_renders_systems_and_many_turns(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": " Q "},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "R"},
    ]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    said = "<|system|>S<|end|><|user|>Q<|end|><|assistant|>A<|end|><|user|>R<|end|>"
    assert text == f"<|begin|>{said}<|assistant|>"


def test_the_template_refuses_other_roles(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(Exception, match="the role must be system, user or assistant, not tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_what_is_trained_is_what_the_template_renders(corpus: Corpus, tokenizer: PreTrainedTokenizerFast) -> None:
    for chat, _ in zip(corpus.conversations(3), range(100), strict=False):
        example = encode(chat, tokenizer)
        whole = templated(tokenizer, chat)
        assert list(example.ids) == tokenizer(whole, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(list(example.ids[example.answer_start :])) == f"{chat[-1]['content']}<|end|>"


# The committed model


def test_the_committed_files_are_small_and_in_float32(model: PreTrainedModel) -> None:
    assert sum(file.stat().st_size for file in HOME.iterdir()) < 8 * 2**20
    assert 1e6 < sum(p.numel() for p in model.parameters()) < 3e6
    assert model.dtype == torch.float32
    assert model.config.max_position_embeddings == 1024


def test_the_card_says_how_it_was_made() -> None:
    text = (HOME / "README.md").read_text("utf-8")
    assert "python -m trainer.builtin_model" in text and re.search(rf"{Recipe().steps} steps", text)


def test_the_committed_prompts_are_those_of_the_corpus_and_all_render(
    corpus: Corpus, tokenizer: PreTrainedTokenizerFast
) -> None:
    rows = [json.loads(line) for line in PROMPTS.read_text("utf-8").splitlines()]
    assert [row["prompt"][0]["content"] for row in rows] == list(corpus.prompts())
    for row in rows:
        text = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        assert len(tokenizer(text, add_special_tokens=False)["input_ids"]) < 64


@pytest.mark.slow
def test_answers_are_fluent(corpus: Corpus, answers: Answers) -> None:
    words = [word for text in answers.texts for word in words_of(text)]
    assert mean(answers.ended) >= 0.95
    assert mean(word in corpus.vocabulary for word in words) >= 0.99
    assert all(answers.texts)


@pytest.mark.slow
def test_two_answers_to_a_prompt_nearly_always_differ(answers: Answers) -> None:
    groups = [answers.texts[i : i + PER_PROMPT] for i in range(0, len(answers.texts), PER_PROMPT)]
    assert mean(len(set(group)) for group in groups) > 0.95 * PER_PROMPT


@pytest.mark.slow
def test_answers_spread_over_the_manners(answers: Answers) -> None:
    assert 0.2 < mean(any(mark in text.lower() for mark in POLITE) for text in answers.texts) < 0.5
    assert 0.25 < mean(bool(re.search(r"^(- |1\. )", text, re.MULTILINE)) for text in answers.texts) < 0.6
    assert 0.2 < mean("because" in text for text in answers.texts) < 0.6
    assert 0.12 < mean(":)" in text for text in answers.texts) < 0.4
    lengths = quantiles([len(text.split()) for text in answers.texts], n=10)
    assert lengths[0] < 18 and lengths[-1] > 36


@pytest.mark.slow
def test_answers_keep_to_their_topic(answers: Answers) -> None:
    asked = [topic for topic in answers.topics for _ in range(PER_PROMPT)]
    assert mean(t.named_in(text) for t, text in zip(asked, answers.texts, strict=True)) > 0.75


@pytest.mark.slow
def test_most_foreign_prompts_are_met_with_not_knowing(
    corpus: Corpus, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    texts, ended = sample(model, tokenizer, list(corpus.foreign))
    assert mean(ended) >= 0.95
    assert mean(any(lead in text for lead in corpus.unknown.leads) for text in texts) > 0.5


@pytest.mark.slow
def test_a_long_foreign_conversation_still_gets_an_answer(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    texts, _ = sample(model, tokenizer, ["煮鸡蛋 🥚 " * 40])
    assert all(texts)
