"""The model card (README.md) of an adapter: its base model, and what is known of the licence."""

from collections.abc import Iterator
from pathlib import Path

from trainer.model.base import Base

CARD = "README.md"
PROMPT_FORMAT = "prompt_format.json"
"""The file beside an adapter's weights with the prompt format; `trainer.model.merging` reads it."""


def adapter_card(base: Base) -> str:
    """Return the card's text, in the hub's format (https://huggingface.co/docs/hub/model-cards)."""
    head = "\n".join(("---", *_metadata(base), "---"))
    license_ = (
        "None was found beside the base model; see where it came from"
        if base.license is None
        else f"That of the base model: {base.license}"
    )
    return f"""{head}

# A LoRA adapter of {Path(base.name).name}

Trained by prefloop on people's choices between two answers. The base model: `{base.name}`, revision
`{base.revision}`. `PeftModel.from_pretrained(base, "this directory")` puts it on.
`{PROMPT_FORMAT}` says how the model was asked: chat template, system prompt and stop strings.

## Licence

{license_}. An adapter is used together with its base, under the base's terms.
"""


def _metadata(base: Base) -> Iterator[str]:
    if base.name.count("/") == 1:  # a hub id; a local path would mean nothing elsewhere
        yield f"base_model: {base.name}"
    yield "library_name: peft"
    yield "tags: [lora, prefloop]"
    if base.license is not None:
        yield from base.license.metadata
