"""Separate a model's reasoning from its answer.

How a model marks its reasoning is taken from its tokenizer's `response_template` (transformers' way to declare it) or
from known markers in its chat template or added tokens. transformers' own ResponseParser reads it, and holds back an
incomplete marker while an answer is streamed. trainer/prompting/prompt_format.py makes one AnswerParser per model,
which reads every completion.
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
"""Field names for the reasoning in response templates, and in messages that chat templates read."""
_CONTENT = "content"
_LOOKAHEAD = "(?="
_TAIL = 64  # tokens at the end of a prompt, which contain what the template writes there


@dataclass(frozen=True, slots=True)
class Markers:
    """What a model writes before and after its reasoning, and around its answer (`dropped`, never shown).

    anywhere: the markers are control tokens and may also occur later; otherwise only a block that begins the turn
    counts, since an answer may mention "<think>". sign: text that shows that a model uses them, if not `open`.
    """

    open: str
    close: str
    dropped: tuple[str, ...] = ()
    anywhere: bool = False
    sign: str = ""

    @property
    def template(self) -> dict[str, Any]:
        """The markers as a response template of transformers."""
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
    """A model's answer, its reasoning (None if there was none), and the number of tokens of the reasoning."""

    text: str
    reasoning: str | None = None
    reasoning_tokens: int | None = None

    @property
    def thought(self) -> Thought | None:
        """The reasoning with its number of tokens, if there is any."""
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
    """A stretch of text in one field of a response template. closed: whether its end has been seen."""

    field: str
    text: str = ""
    end: int = 0
    closed: bool = False

    @property
    def reasons(self) -> bool:
        """Whether it is reasoning."""
        return self.field in MESSAGE_FIELDS


class ReasoningFormat:
    """How one model marks its reasoning: declared in a response template, or by known markers."""

    def __init__(self, markers: Markers | None, declared: Mapping[str, Any] | None = None) -> None:
        if markers is None and declared is None:
            raise ValueError("a reasoning format needs markers or a response template")
        self._markers = markers
        self._declared = declared
        self._template = load_response_template(dict(declared) if declared else markers.template if markers else {})

    @cached_property
    def words(self) -> str:
        """All text of the markers: control tokens that occur in it must be kept when a completion is decoded."""
        declared = json.dumps(self._declared, ensure_ascii=False).replace("\\", "") if self._declared else ""
        markers = (self._markers.open, self._markers.close, *self._markers.dropped) if self._markers else ()
        return "\n".join((declared, *markers))

    def opened_by(self, prompt: str) -> bool:
        """Return whether a prompt ends with an opening marker, so that the completion starts inside the reasoning."""
        return self._markers is not None and prompt.rstrip().endswith(self._markers.open)

    def closed_by(self, prompt: str) -> bool:
        """Return whether a prompt ends with closed reasoning, as templates write it where thinking is off."""
        return self._markers is not None and prompt.rstrip().endswith(self._markers.close)

    def split(self, text: str, *, prompt: str = "", whole: bool = True) -> AnswerParts:
        """Split a completion's text; prompt: what precedes it. whole=False: an incomplete marker is held back."""
        parser = ResponseParser(self._template, prefix=self._prefix(prompt))
        events = parser.feed(text)
        segments = _segments(parser.initial_events, [*events, *(parser.finalize()[1] if whole else ())], text)
        if self._markers is not None:
            segments = self._marked(segments, unopened=not self.closed_by(prompt))
        if not segments and self._declared is not None and whole:
            return AnswerParts("", text)  # the template declares a marker before the answer, and none came
        reasoning = [segment for segment in segments if segment.reasons]
        return AnswerParts(
            reasoning="".join(segment.text for segment in reasoning),
            answer="".join(segment.text for segment in segments if segment.field == _CONTENT),
            end=max((segment.end for segment in reasoning), default=0),
            closed=all(segment.closed for segment in reasoning),
        )

    def written(self, answer: str, reasoning: str | None, *, prompt: str) -> str:
        """Join answer and reasoning as they follow a prompt, where the template does not write both."""
        if reasoning is None or self._markers is None:
            return answer
        opening = "" if self.opened_by(prompt) else f"{self._markers.open}\n"
        return f"{opening}{reasoning}\n{self._markers.close}\n\n{answer}"

    def _prefix(self, prompt: str) -> str:
        """Return the part of the assistant's turn that the prompt already contains, as the parser needs it."""
        if self._declared is None:
            return self._markers.open if self._markers and self.opened_by(prompt) else ""
        anchors = list(self._template.start_anchor_re.finditer(prompt))
        return prompt[anchors[-1].start() :] if anchors else ""

    def _marked(self, segments: Sequence[_Segment], *, unopened: bool) -> list[_Segment]:
        """Handle closing markers that closed nothing: either reasoning that was never opened, or text of the answer.

        unopened: the former is possible, since the prompt has not closed any reasoning.
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
    """Convert a parser's events to stretches of text; `before`: its events for the prompt, whose text is left out."""
    segments: list[_Segment] = []
    at = 0
    for ours, event in (*((False, event) for event in before), *((True, event) for event in events)):
        if event["type"] == "region_open":
            segments.append(_Segment(event["field"]))
        elif event["type"] == "region_close":
            last = segments[-1]
            segments[-1] = replace(last, closed=last.end < len(text))  # the parser closes everything at the end
        elif ours:
            at = max(text.find(event["text"], at), at) + len(event["text"])
            segments[-1] = replace(segments[-1], text=segments[-1].text + event["text"], end=at)
    return segments


def reasoning_format(tokenizer: PreTrainedTokenizerBase, template: str) -> ReasoningFormat | None:
    """Find how a model marks its reasoning, from tokenizer and chat template; None if it is not known to reason."""
    added = "\n".join(str(token) for token in tokenizer.get_added_vocab())
    declared = _declared(tokenizer)
    if declared is not None:
        return ReasoningFormat(None, declared)
    for said in (template, f"{template}\n{added}"):  # markers in the template take precedence over added tokens
        for markers in KNOWN:
            if (markers.sign or markers.open) in said and markers.close in said:
                return ReasoningFormat(markers)
    return None


def _declared(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any] | None:
    """Return a tokenizer's response template reduced to reasoning and content; None if it does not separate them.

    Also None if its reasoning is recognised by a lookahead to its end, which fails for reasoning that was cut off:
    known markers are used then.
    """
    template = getattr(tokenizer, "response_template", None)
    fields = dict(template.get("fields", {})) if isinstance(template, Mapping) else {}
    reasoning = [fields[name] for name in MESSAGE_FIELDS if name in fields]
    if not reasoning or _CONTENT not in fields or str(reasoning[0].get("open_pattern", "")).startswith(_LOOKAHEAD):
        return None
    kept = {name: field for name, field in fields.items() if name in (*MESSAGE_FIELDS, _CONTENT)}
    return {**dict(template or {}), "fields": kept}


class AnswerParser:
    """Reads completions of a model that reasons, up to the first stop string."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, form: ReasoningFormat, stops: StopStrings) -> None:
        self.form = form
        self._tokenizer = tokenizer
        self._stops = stops
        self._hidden = _hidden(tokenizer, form.words)

    def read(self, token_ids: Sequence[int], *, prompt_ids: Sequence[int] = (), whole: bool = True) -> Answer:
        """Split a completion into answer and reasoning. whole=False: incomplete markers and stop strings are held back.

        A completion that stopped or was cut off inside its reasoning has an empty answer.
        """
        text = self._stops.before(self._text(token_ids))
        text = text if whole else self._stops.certain(text)
        parts = self.form.split(text, prompt=self._decoded(prompt_ids[-_TAIL:]), whole=whole)
        reasoning = parts.reasoning.strip()
        if not reasoning:
            return Answer(parts.answer.strip())
        return Answer(parts.answer.strip(), reasoning, self._tokens_until(parts.end, token_ids))

    def _tokens_until(self, end: int, token_ids: Sequence[int]) -> int:
        """Return how many tokens it takes to write this many characters."""
        return bisect_left(range(len(token_ids)), end, key=lambda count: len(self._text(token_ids[:count])))

    def _text(self, token_ids: Sequence[int]) -> str:
        return self._decoded([token for token in token_ids if token not in self._hidden])

    def _decoded(self, token_ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=False))


def _hidden(tokenizer: PreTrainedTokenizerBase, words: str) -> frozenset[int]:
    """Return the control tokens that belong to no marker; they are dropped from the text."""
    special = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(number for number, token in special.items() if token not in words)
