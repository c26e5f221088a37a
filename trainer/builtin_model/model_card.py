"""The model card of the built-in model, filled in from the numbers of its training."""

from collections.abc import Sequence

_LAST = 50  # steps over which the final loss is averaged

_CARD = """\
---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---
# prefloop's built-in model

A Llama of {parameters:.1f} M parameters that answers everyday how-to questions ("How do I boil an egg?"),
so that the preference loop can be tried within minutes, offline, on a laptop. It is a demonstration:
**do not rely on what it says.**

## What it does
It knows {topics} topics, says of most other things that it does not know them, and understands small
talk a little. Its answers differ on purpose in tone (polite, plain, curt), form (running text, numbered
list, dashes), length, usefulness (tips or empty talk), reasons ("because ...") and smileys, each nearly
independent of the others. Two answers to one prompt so mostly differ in manner, and a person's taste for
one of these has something to choose from. It is at times rude; that, too, is on purpose.

## How it was made
`python -m trainer.builtin_model --out DIR` made every file here from a text that the code generates
(`data/seed/topics.toml`, `corpus.py` and `answer_style.py` of `trainer/builtin_model`); no other data went in.
Byte-level BPE tokenizer with {vocabulary} ids, trained on the same text; {steps} steps of {batch} conversations,
learning rate {rate:g}, seed {seed}; loss on the assistant's tokens only, at the end {loss:.2f} nats a token.
The same command on the same machine gives the same weights.

## Limits
English only. Answers end within about 90 tokens; a question it does not know may be taken for one it
knows; earlier turns of a conversation hardly count. Nobody checked the tips beyond common sense, least
of all those on health.
"""


def card(
    *,
    parameters: int,
    topics: int,
    vocabulary: int,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
    losses: Sequence[float],
) -> str:
    """Return Markdown with the front matter of a model hub. losses are in nats per token, one per step."""
    last = losses[-_LAST:]
    return _CARD.format(
        parameters=parameters / 1e6,
        topics=topics,
        vocabulary=vocabulary,
        steps=steps,
        batch=batch,
        rate=rate,
        seed=seed,
        loss=sum(last) / len(last),
    )
