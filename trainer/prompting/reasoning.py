"""A model's reasoning told apart from its answer.

How a model marks its reasoning is taken from its tokenizer's `response_template` (transformers' way to declare it) or
from known markers in its chat template or added tokens, and read by transformers' own ResponseParser, which holds
back half a marker while an answer is streamed. trainer/prompting/prompt_format.py makes one AnswerParser a model,
which reads every completion. Knows nothing of how an answer was sampled.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_parsing import ResponseParser
from transformers.utils.chat_parsing.response_templates import load_response_template

from data.records import Thought
from trainer.prompting.stop_strings import StopStrings

MESSAGE_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""What response templates call the reasoning, and what chat templates read of a message."""
_CONTENT = "content"
_LOOKAHEAD = "(?="
_TAIL = 64  # tokens of a prompt that hold what its template writes at the end


@dataclass(frozen=True, slots=True)
class Markers:
    """What a model writes before and after its reasoning, and around its answer (`dropped`, never shown).

    anywhere: they are control tokens, and a block may come later too. Else only one that begins the turn counts: an
    answer may speak of "<think>". sign: what tells that a model knows them, if not `open` itself.
    """

    open: str
    close: str
    dropped: tuple[str, ...] = ()
    anywhere: bool = False
    sign: str = ""

    @property
    def template(self) -> dict[str, Any]:
        """The same as a response template of transformers."""
        opening = re.escape(self.open)
        reasoning = {"open": self.open} if self.anywhere else {"open_pattern": rf"\A(?:\s*{opening})+"}
        fields: dict[str, Any] = {MESSAGE_FIELDS[0]: {**reasoning, "close": self.close}, _CONTENT: {}}
        if self.dropped:
            fields["markup"] = {"open": list(self.dropped), "close_pattern": ""}
        else:
            fields[_CONTENT] = {"close": self.close}
        return {"start_anchor_pattern": r"\A", "fields": fields}


_NAMES = ("think", "thinking", "thought", "reasoning", "seed:think", "THINK")
_FORMS = (("<{}>", "</{}>"), ("[{}]", "[/{}]"), ("◁{}▷", "◁/{}▷"), ("<|{}|>", "<|/{}|>"))
_CHANNELS = ("<|start|>assistant", "<|channel|>final<|message|>", "<|channel|>commentary<|message|>")
_SOLUTION = ("<|begin_of_solution|>", "<|end_of_solution|>")
_RESPONSE = ("<|START_RESPONSE|>", "<|END_RESPONSE|>")
KNOWN = (
    Markers("<|channel|>analysis<|message|>", "<|end|>", _CHANNELS, anywhere=True),
    Markers("<|channel>thought", "<channel|>", anywhere=True, sign="<|channel>"),
    Markers("<|begin_of_thought|>", "<|end_of_thought|>", _SOLUTION, anywhere=True),
    Markers("<|START_THINKING|>", "<|END_THINKING|>", _RESPONSE, anywhere=True),
    *(Markers(opening.format(name), closing.format(name)) for name in _NAMES for opening, closing in _FORMS),
)
"""Markers in use: gpt-oss, Gemma 4, OpenThinker, Cohere, then <think>, [THINK] and the like."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said: its answer, its reasoning (None: it gave none) and the number of tokens of that."""

    text: str
    reasoning: str | None = None
    reasoning_tokens: int | None = None

    @property
    def thought(self) -> Thought | None:
        """The reasoning with the number of its tokens, if there is any."""
        return None if self.reasoning is None else Thought(self.reasoning, self.reasoning_tokens)


@dataclass(frozen=True, slots=True)
class AnswerParts:
    """A completion's text in two. end: where in the text the reasoning ends; closed: whether it does."""

    reasoning: str
    answer: str
    end: int = 0
    closed: bool = True


@dataclass(frozen=True, slots=True)
class _Segment:
    """A stretch of text in one field of a response template. closed: its end has been seen."""

    field: str
    text: str = ""
    end: int = 0
    closed: bool = False

    @property
    def reasons(self) -> bool:
        """Whether it is reasoning."""
        return self.field in MESSAGE_FIELDS


class ReasoningFormat:
    """How one model marks its reasoning: as a response template declares it, or by known markers."""

    def __init__(self, markers: Markers | None, declared: Mapping[str, Any] | None = None) -> None:
        if markers is None and declared is None:
            raise ValueError("a reasoning format needs markers or a response template")
        self._markers = markers
        self._declared = declared
        self._template = load_response_template(dict(declared) if declared else markers.template if markers else {})

    @cached_property
    def words(self) -> str:
        """All that is written of the markers: control tokens among them must be kept when a completion is read."""
        declared = json.dumps(self._declared, ensure_ascii=False).replace("\\", "") if self._declared else ""
        markers = (self._markers.open, self._markers.close, *self._markers.dropped) if self._markers else ()
        return "\n".join((declared, *markers))

    def opened_by(self, prompt: str) -> bool:
        """Whether a prompt's text ends where reasoning has begun, so that the completion goes on inside it."""
        return self._markers is not None and prompt.rstrip().endswith(self._markers.open)

    def closed_by(self, prompt: str) -> bool:
        """Whether a prompt's text ends with reasoning that is over, as templates write it where thinking is off."""
        return self._markers is not None and prompt.rstrip().endswith(self._markers.close)

    def split(self, text: str, *, prompt: str = "", whole: bool = True) -> AnswerParts:
        """A completion's text in two; prompt: what it follows. Not whole: half a marker at its end is held back."""
        parser = ResponseParser(self._template, prefix=self._prefix(prompt))
        events = parser.feed(text)
        segments = _segments(parser.initial_events, [*events, *(parser.finalize()[1] if whole else ())], text)
        if self._markers is not None:
            segments = self._marked(segments, unopened=not self.closed_by(prompt))
        if not segments and self._declared is not None and whole:
            return AnswerParts("", text)  # a template that names the answer's beginning, and an answer without it
        reasoning = [segment for segment in segments if segment.reasons]
        return AnswerParts(
            reasoning="".join(segment.text for segment in reasoning),
            answer="".join(segment.text for segment in segments if segment.field == _CONTENT),
            end=max((segment.end for segment in reasoning), default=0),
            closed=all(segment.closed for segment in reasoning),
        )

    def written(self, answer: str, reasoning: str | None, *, prompt: str) -> str:
        """An answer with its reasoning as they go on from a prompt, where the template does not write both."""
        if reasoning is None or self._markers is None:
            return answer
        opening = "" if self.opened_by(prompt) else f"{self._markers.open}\n"
        return f"{opening}{reasoning}\n{self._markers.close}\n\n{answer}"

    def _prefix(self, prompt: str) -> str:
        """What of the assistant's turn stands in the prompt already, as the parser wants it."""
        if self._declared is None:
            return self._markers.open if self._markers and self.opened_by(prompt) else ""
        anchors = list(self._template.start_anchor_re.finditer(prompt))
        return prompt[anchors[-1].start() :] if anchors else ""

    def _marked(self, segments: Sequence[_Segment], *, unopened: bool) -> list[_Segment]:
        """Closing markers that closed nothing: reasoning ends there that was never opened, or an answer speaks of it.

        unopened: the former may be, since the prompt has not closed any reasoning.
        """
        opening, close = (self._markers.open, self._markers.close) if self._markers else ("", "")
        unopened &= not any(segment.reasons or opening in segment.text for segment in segments[:1])
        out = []
        for number, segment in enumerate(segments):
            alone = segment.field == _CONTENT and segment.closed
            alone &= number + 1 == len(segments) or segments[number + 1].field == _CONTENT
            if alone and unopened and number == 0:
                out.append(replace(segment, field=MESSAGE_FIELDS[0]))
            else:
                out.append(replace(segment, text=segment.text + close) if alone else segment)
        return out


def _segments(before: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]], text: str) -> list[_Segment]:
    """A parser's events as stretches of a text; `before`: what it made of the prompt, whose words are left out."""
    segments: list[_Segment] = []
    at = 0
    for ours, event in (*((False, event) for event in before), *((True, event) for event in events)):
        if event["type"] == "region_open":
            segments.append(_Segment(event["field"]))
        elif event["type"] == "region_close":
            last = segments[-1]
            segments[-1] = replace(last, closed=last.end < len(text))  # the parser closes all at the end
        elif ours:
            at = max(text.find(event["text"], at), at) + len(event["text"])
            segments[-1] = replace(segments[-1], text=segments[-1].text + event["text"], end=at)
    return segments


def reasoning_format(tokenizer: PreTrainedTokenizerBase, template: str) -> ReasoningFormat | None:
    """How a model marks its reasoning, by its tokenizer and its chat template; None if it is not known to reason."""
    added = "\n".join(str(token) for token in tokenizer.get_added_vocab())
    declared = _declared(tokenizer)
    if declared is not None:
        return ReasoningFormat(None, declared)
    for said in (template, f"{template}\n{added}"):  # what the template writes goes before what is merely known
        for markers in KNOWN:
            if (markers.sign or markers.open) in said and markers.close in said:
                return ReasoningFormat(markers)
    return None


def _declared(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any] | None:
    """A tokenizer's response template, its reasoning and its content alone; None if it tells them not apart.

    One whose reasoning begins by a look ahead to its end knows none that was cut off: markers do.
    """
    template = getattr(tokenizer, "response_template", None)
    fields = dict(template.get("fields", {})) if isinstance(template, Mapping) else {}
    reasoning = [fields[name] for name in MESSAGE_FIELDS if name in fields]
    if not reasoning or _CONTENT not in fields or str(reasoning[0].get("open_pattern", "")).startswith(_LOOKAHEAD):
        return None
    kept = {name: field for name, field in fields.items() if name in (*MESSAGE_FIELDS, _CONTENT)}
    return {**dict(template or {}), "fields": kept}


class AnswerParser:
    """Reads the completions of a model that reasons, up to the first stop string."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, form: ReasoningFormat, stops: StopStrings) -> None:
        self.form = form
        self._tokenizer = tokenizer
        self._stops = stops
        self._hidden = _hidden(tokenizer, form.words)

    def read(self, token_ids: Sequence[int], *, prompt_ids: Sequence[int] = (), whole: bool = True) -> Answer:
        """A completion's answer and reasoning. Not whole: more may come, and half a marker or stop string is held back.

        One that was cut off, or that ended, inside its reasoning has an empty answer.
        """
        text = self._stops.before(self._text(token_ids))
        text = text if whole else self._stops.certain(text)
        parts = self.form.split(text, prompt=self._decoded(prompt_ids[-_TAIL:]), whole=whole)
        reasoning = parts.reasoning.strip()
        if not reasoning:
            return Answer(parts.answer.strip())
        return Answer(parts.answer.strip(), reasoning, self._tokens_until(parts.end, token_ids))

    def _tokens_until(self, end: int, token_ids: Sequence[int]) -> int:
        """How many tokens it takes to write so many characters."""
        return bisect_left(range(len(token_ids)), end, key=lambda count: len(self._text(token_ids[:count])))

    def _text(self, token_ids: Sequence[int]) -> str:
        return self._decoded([token for token in token_ids if token not in self._hidden])

    def _decoded(self, token_ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=False))


def _hidden(tokenizer: PreTrainedTokenizerBase, words: str) -> frozenset[int]:
    """The control tokens that are no part of any marker: they are left out of what is read."""
    special = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(number for number, token in special.items() if token not in words)
