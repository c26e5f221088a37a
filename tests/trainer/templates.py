"""Tokenizers for a chat template: a letter a token, and every marker of the template one."""

import re
from pathlib import Path

import trl
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

_MARKER = re.compile(r"<[|｜]?[^<>{}'\"\s]{1,40}>|\[/?[A-Z_]+\]")
TEMPLATES = {file.stem: file for file in (Path(trl.__file__).parent / "chat_templates").glob("*.jinja")}
"""Those that package trl ships, by name."""


def tokenizer_for(template: str | None, *, begins: str = "") -> PreTrainedTokenizerFast:
    """A tokenizer that a model with this template would have; begins: what it puts before a text."""
    letters = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    model = Tokenizer(BPE(vocab=letters, merges=[]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    markers = sorted({begins or "<s>", *_MARKER.findall(template or "")})
    made = PreTrainedTokenizerFast(
        tokenizer_object=model,
        bos_token=begins or "<s>",
        eos_token="</s>",
        extra_special_tokens=markers,
        chat_template=template,
    )
    if begins:
        from tokenizers.processors import TemplateProcessing  # noqa: PLC0415

        parts = TemplateProcessing(single=f"{begins} $0", special_tokens=[(begins, made.convert_tokens_to_ids(begins))])
        made.backend_tokenizer.post_processor = parts
    return made
