"""Render conversations as prompts in a model's chat template, and determine how an answer ends.

Uses the model's own template, or a plain one for a base model without any. trainer/model/base.py makes one formatter
per model.
"""

import inspect
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from data.errors import ModelError, PromptError
from data.records import Message
from trainer.interface.model_settings import PLAIN, ModelOptions, PromptFormat
from trainer.prompting.reasoning import MESSAGE_FIELDS, Answer, AnswerParser, reasoning_format
from trainer.prompting.stop_strings import StopStrings

REFUSED = "refused by the chat template"
"""Value of a PromptError's reason."""

# For a base model without its own chat template; it follows what the tokenizer puts before any text.
# docs/models.md shows it.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
PLAIN_STOPS = ("\n\nUser:", "\n\nAssistant:")
"""What begins the next turn in it: a base model has no end-of-turn token and would continue with that."""

_ASKED: tuple[Message, ...] = ({"role": "user", "content": "Qm7"},)
_SAID, _NEXT, _RULE, _THOUGHT = "Zk3", "Vx5", "Wj9", "Hy4"  # test texts that occur in no template
_SHOWN = 200  # characters shown of a template's error message


def find_format(tokenizer: PreTrainedTokenizerBase, options: ModelOptions, model: str) -> PromptFormat:
    """Determine a model's prompt format from its tokenizer and the section `[model]`.

    Raises ModelError for a template that cannot be read, or that does not accept the system prompt or the arguments.
    """
    own = own_template(tokenizer)
    plain = own is None if options.template is None else options.template == PLAIN
    template = _plain_template(tokenizer) if plain else _read(options.template, model) if options.template else own
    found = PromptFormat(
        template=str(template),
        system=options.system,
        stop=tuple(dict.fromkeys((*(PLAIN_STOPS if plain else ()), *options.stop))),
        template_arguments=options.template_arguments,
    )
    _assert_arguments(options, model)
    if options.system is not None:
        _assert_takes_system(PromptFormatter(tokenizer, found), model)
    return found


def former_format(tokenizer: PreTrainedTokenizerBase) -> PromptFormat:
    """Return the format of data sampled and trained before formats were recorded."""
    return PromptFormat(template=own_template(tokenizer) or PLAIN_TEMPLATE)


def own_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return the chat template that comes with a model; if there are several, the one called default."""
    own = tokenizer.chat_template
    return own.get("default") if isinstance(own, dict) else own


@dataclass(frozen=True)
class PromptFormatter:
    """Converts conversations and answers to token ids and back, in one format."""

    tokenizer: PreTrainedTokenizerBase
    format: PromptFormat

    @cached_property
    def stops(self) -> StopStrings:
        """The stop strings of the format."""
        return StopStrings(self.tokenizer, self.format.stop)

    def render(self, messages: Sequence[Message], *, prompt: bool = True) -> str:
        """Render a conversation as text; with prompt, ready for the assistant's answer.

        Raises PromptError when the template rejects it.
        """
        return self._render(messages, prompt=prompt, in_parts=self._in_parts)

    def _render(self, messages: Sequence[Message], *, prompt: bool, in_parts: bool) -> str:
        turns = [_turn(message) for message in messages]
        if self.format.system is not None and not any(turn["role"] == "system" for turn in turns):
            turns.insert(0, {"role": "system", "content": self.format.system})
        if in_parts:
            turns = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in turns]
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    turns,
                    chat_template=self.format.template,
                    tokenize=False,
                    add_generation_prompt=prompt,
                    **self.format.template_arguments,
                )
            )
        except Exception as error:  # a template is a foreign program: it may raise anything
            raise _refusal(error) from error

    @cached_property
    def _in_parts(self) -> bool:
        """Whether the template accepts a turn's content only as a list of parts, as some multimodal ones do."""
        return not self._shows_text(in_parts=False) and self._shows_text(in_parts=True)

    def _shows_text(self, *, in_parts: bool) -> bool:
        try:
            return _ASKED[0]["content"] in self._render(_ASKED, prompt=True, in_parts=in_parts)
        except PromptError:
            return False

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return ids of a conversation, ready for the answer, at any length. Raises PromptError as `render` does."""
        ids = self._ids(self.render(messages))
        if not ids:
            raise _refusal(ValueError("it makes nothing of it"))
        return ids

    def encode_completion(self, text: str, *, ended: bool, reasoning: str | None = None) -> tuple[int, ...]:
        """Return ids of an answer given as text, as the template writes it after a prompt.

        reasoning: the reasoning that precedes the answer, if known. ended: append the end of the turn, if the template
        writes one. Raises PromptError as `render` does.
        """
        prompt = self._asked
        body = self._body(text, reasoning) + (self.end_of_turn if ended else "")
        before, ids = self._ids(prompt), self._ids(prompt + body)
        return ids[len(before) :] if ids[: len(before)] == before else self._ids(body)

    def _body(self, text: str, reasoning: str | None) -> str:
        """Return an answer's text between its prompt and the end of the turn, as the template writes it."""
        prompt, after = self._asked, self._after[0]
        said: Message = {"role": "assistant", "content": text}
        if reasoning is not None:
            said["reasoning_content"] = reasoning
        whole = self.render((*_ASKED, said), prompt=False)
        if whole.startswith(prompt) and whole.endswith(after) and (reasoning or "") in whole:
            # with the whitespace the template adds before it, and without what it strips
            return whole[len(prompt) : len(whole) - len(after)]
        if self.parser is None:
            return text
        if reasoning is None and self.parser.form.opened_by(prompt):  # close the reasoning that the prompt opened
            return self._body(text, _THOUGHT).removeprefix(_THOUGHT)
        return self.parser.form.written(text, reasoning, prompt=prompt)

    @cached_property
    def keeps_reasoning(self) -> bool:
        """Whether the template writes the reasoning of earlier turns; most leave it out."""
        answered: Message = {"role": "assistant", "content": _SAID, "reasoning_content": _THOUGHT}
        try:
            return _THOUGHT in self.render((*_ASKED, answered, Message(role="user", content=_NEXT)))
        except PromptError:
            return False

    @cached_property
    def parser(self) -> AnswerParser | None:
        """Separates reasoning from answer; None for a model that is not known to reason."""
        form = reasoning_format(self.tokenizer, self.format.template)
        return None if form is None else AnswerParser(self.tokenizer, form, self.stops)

    def read(self, token_ids: Sequence[int], *, prompt_ids: Sequence[int], whole: bool = True) -> Answer:
        """Split a completion into answer and reasoning. whole=False: as in `text`; incomplete markers are held back."""
        if self.parser is None:
            return Answer(self.text(token_ids, whole=whole))
        return self.parser.read(token_ids, prompt_ids=prompt_ids, whole=whole)

    def text(self, token_ids: Sequence[int], *, whole: bool = True) -> str:
        """Return an answer's text: without control tokens, up to the first stop string.

        whole=False: more may follow, so what may become a stop string is held back.
        """
        return self.stops.text(token_ids, whole=whole).strip()

    @cached_property
    def end_of_turn(self) -> str:
        """What the template writes after an answer, up to and including the control token that ends the turn.

        Without a control token, up to the first stop string, such as the start of a plain template's next turn; empty
        if there is neither.
        """
        last, between = self._after
        everywhere = os.path.commonprefix((last, between))  # noqa: RUF071  # of texts, not paths
        if ends := self._ends(everywhere, self._control_tokens):
            return everywhere[: max(ends)]
        marks = (*self._control_tokens, *self.format.stop)
        return next((text[: min(ends)] for text in (last, between) if (ends := self._ends(text, marks))), "")

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """The id of the control token with which the template ends an answer, if there is one."""
        token = next((token for token in self._control_tokens if self.end_of_turn.endswith(token)), None)
        ids = self._ids(token) if token else ()
        return frozenset(ids if len(ids) == 1 else ())

    @cached_property
    def _asked(self) -> str:
        return self.render(_ASKED)

    @cached_property
    def _after(self) -> tuple[str, str]:
        """What follows an answer at the end of a conversation, and what follows it before the user's next turn."""
        said = (*_ASKED, Message(role="assistant", content=_SAID))
        after = []
        for turns, until in ((said, ""), ((*said, Message(role="user", content=_NEXT)), _NEXT)):
            try:
                rest = self.render(turns, prompt=False).partition(_SAID)[2]
            except PromptError:
                rest = ""
            after.append(rest.partition(until)[0] if until else rest)
        return after[0], after[1]

    @staticmethod
    def _ends(text: str, marks: Sequence[str]) -> list[int]:
        """Return the positions in a text where marks end."""
        return [text.find(mark) + len(mark) for mark in marks if mark in text]

    @cached_property
    def _control_tokens(self) -> tuple[str, ...]:
        """Added tokens, longest first, including those not marked as special, without the one that begins a text."""
        added = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.content.strip()}
        if self.tokenizer.bos_token != self.tokenizer.eos_token:
            added.discard(str(self.tokenizer.bos_token))
        return tuple(sorted(added, key=len, reverse=True))

    def _ids(self, text: str) -> tuple[int, ...]:
        try:
            return tuple(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        except Exception as error:  # for example half a surrogate pair, which tokenizers reject
            raise _refusal(error) from error


def _turn(message: Message) -> dict[str, Any]:
    """Convert a turn for templates: reasoning is given under every field name that some template reads."""
    turn = {"role": str(message["role"]), "content": message["content"]}
    reasoning = message.get("reasoning_content")
    return turn if reasoning is None else turn | dict.fromkeys(MESSAGE_FIELDS, reasoning)


def _refusal(error: Exception) -> PromptError:
    why = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
    return PromptError("the model's chat template refuses this conversation: {why}", reason=REFUSED, why=why)


def _plain_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the plain template, preceded by what the tokenizer puts before a text, as the base model expects it."""
    bare, whole = (list(tokenizer("a", add_special_tokens=special)["input_ids"]) for special in (False, True))
    before = next((whole[:at] for at in range(len(whole)) if whole[at : at + len(bare)] == bare), [])
    text = str(tokenizer.decode(before, skip_special_tokens=False)) if before else ""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}{PLAIN_TEMPLATE}" if text else PLAIN_TEMPLATE


def _read(file: str, model: str) -> str:
    try:
        return Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f'model {model}: its template {file} cannot be read ({error}); [model] template is "{PLAIN}" or a file '
            "with a Jinja template"
        ) from error


def _assert_arguments(options: ModelOptions, model: str) -> None:
    ours = set(inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters) - {"kwargs"}
    if taken := sorted(ours & options.template_arguments.keys()):
        raise ModelError(
            f"model {model}: {', '.join(taken)} cannot stand in [model] template_arguments, prefloop says it itself; "
            "remove it"
        )


def _assert_takes_system(formatter: PromptFormatter, model: str) -> None:
    """Raise at start an error that would otherwise occur for every prompt."""
    try:
        taken = _RULE in formatter.render((Message(role="system", content=_RULE), *_ASKED))
        why = "it leaves it out"
    except PromptError as error:
        taken, why = False, str(error.values["why"])
    if not taken:
        raise ModelError(
            f"model {model}: its chat template takes no system prompt ({why}); remove system from [model] in "
            "prefloop.toml, or give another template"
        )
