r"""Anthropic's hh-rlhf: two transcripts, "\n\nHuman: ...\n\nAssistant: ...", that share all but the last answer.

The prompt ends at the last "\n\nAssistant:" of the common beginning of both; what follows in each is its answer. The
markers may also occur within what somebody wrote, and nothing tells the two apart. So a row is left out when its
prompt does not alternate from Human to Human, or when a marker follows within an answer: then the transcripts differ
earlier than in their last answer, and there are no two answers to compare, only conversations. The one space after a
marker belongs to it; everything else is kept as it is.

TRL's implicit prompt with texts instead of turns looks the same, and is read if it has these markers.

https://huggingface.co/datasets/Anthropic/hh-rlhf
"""

import re

import pyarrow as pa

from data.errors import InputError
from data.formats import row as cells
from data.formats.columns import TEXT
from data.formats.format import Format
from data.formats.row import FileRow
from data.records import Message
from data.records.judged_pair import JudgedPair

_ANSWER = "\n\nAssistant:"
_MARKERS = {"user": "\n\nHuman:", "assistant": _ANSWER}
_MARKER = re.compile(r"\n\n(Human|Assistant):")


def _shape(row: FileRow) -> bool:
    """Return whether there are two texts, at least one of them a transcript, and no prompt column."""
    chosen, rejected = row["chosen"], row["rejected"]
    if row.get("prompt") is not None or not isinstance(chosen, str) or not isinstance(rejected, str):
        return False
    return _ANSWER in chosen or _ANSWER in rejected


def _read(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    chosen, rejected = cells.text(row, "chosen"), cells.text(row, "rejected")
    if chosen == rejected:
        raise InputError("chosen and rejected are the same")
    start = _start_of_answers(chosen, rejected)
    prompt = cells.ask("the prompt", _turns(chosen[: start - len(_ANSWER)]), cells.system(row))
    one, other = _answer("chosen", chosen[start:]), _answer("rejected", rejected[start:])
    return [JudgedPair(prompt, one, other, strength=cells.margin(row))]


def _start_of_answers(chosen: str, rejected: str) -> int:
    end = chosen.rfind(_ANSWER, 0, cells.shared(chosen, rejected))
    if end < 0:
        raise InputError(f"chosen and rejected share no prompt that ends with {_ANSWER!r}")
    return end + len(_ANSWER)


def _turns(transcript: str) -> list[Message]:
    before, *parts = _MARKER.split(transcript)
    if before:
        raise InputError(r"the transcripts do not begin with '\n\nHuman:'")
    speakers, texts = parts[::2], parts[1::2]
    if speakers != ["Human", "Assistant"] * (len(speakers) // 2) + ["Human"]:
        raise InputError("the prompt does not alternate from Human to Human")
    return [
        {"role": "user" if speaker == "Human" else "assistant", "content": text.removeprefix(" ")}
        for speaker, text in zip(speakers, texts, strict=True)
    ]


def _answer(key: str, text: str) -> str:
    if _MARKER.search(text):
        raise InputError(f"{key} has more turns after the shared prompt, not one answer")
    return cells.spoken(key, {"role": "assistant", "content": text.removeprefix(" ")})


def _write(pair: JudgedPair) -> list[dict[str, str]]:
    if any(turn["role"] == "system" for turn in pair.prompt):
        raise InputError("a transcript has no system message")
    asked = "".join(f"{_MARKERS[turn['role']]} {turn['content']}" for turn in pair.prompt)
    return [{"chosen": f"{asked}{_ANSWER} {pair.chosen}", "rejected": f"{asked}{_ANSWER} {pair.rejected}"}]


FORMAT = Format(
    "hh-rlhf", ("chosen", "rejected"), _read, _write, pa.schema([("chosen", TEXT), ("rejected", TEXT)]), _shape
)
