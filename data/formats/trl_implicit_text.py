"""TRL's preference format with an implicit prompt, as texts: the prompt is the common beginning, by characters.

As in TRL's extract_prompt, a space before the first difference belongs to the answers. Nothing marks where the
prompt ends, so pairs whose answers begin alike cannot be written, nor can turns. Read only where no other column looks
like a prompt: otherwise the two texts are mere answers, and what they answer would be lost.

https://huggingface.co/docs/trl/dataset_formats#preference
"""

import pyarrow as pa

from data.errors import InputError
from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TEXT
from data.formats.format import Format
from data.formats.row import FileRow
from data.records.judged_pair import JudgedPair

# Columns in which other datasets keep the prompt that the two texts answer.
_PROMPTS = (
    *("prompt", "question", "instruction", "input", "query", "user", "context", "text", "post"),
    *("messages", "conversation", "conversations", "history", "system"),
)


def _shape(row: FileRow) -> bool:
    texts = isinstance(row["chosen"], str) and isinstance(row["rejected"], str)
    return texts and not any(row.get(key) for key in _PROMPTS)


def _read(row: FileRow) -> list[JudgedPair]:
    chosen, rejected = cells.text(row, "chosen"), cells.text(row, "rejected")
    if chosen == rejected:
        raise InputError("chosen and rejected are the same")
    end = _end_of_prompt(chosen, rejected)
    if not chosen[:end].strip():
        raise InputError("chosen and rejected share no prompt")
    prompt = cells.ask("the prompt", [{"role": "user", "content": chosen[:end]}])
    return [
        JudgedPair(
            prompt,
            cells.answer({"chosen": chosen[end:]}, "chosen"),
            cells.answer({"rejected": rejected[end:]}, "rejected"),
            strength=cells.margin(row),
        )
    ]


def _end_of_prompt(chosen: str, rejected: str) -> int:
    end = cells.shared(chosen, rejected)
    if end == min(len(chosen), len(rejected)):
        # TRL's loop ends one character before the end of the shorter text
        return end - 1
    return end - 1 if chosen[:end].endswith(" ") else end


def _write(pair: JudgedPair) -> list[dict[str, str]]:
    prompt = layout.one_text(pair.prompt)
    return [{"chosen": prompt + pair.chosen, "rejected": prompt + pair.rejected}]


FORMAT = Format(
    "trl-implicit-text",
    ("chosen", "rejected"),
    _read,
    _write,
    pa.schema([("chosen", TEXT), ("rejected", TEXT)]),
    _shape,
)
