"""How a conversation becomes the prompt that a model was made for, and how an answer ends.

By the model's own chat template, or a plain one for a base model that has none. trainer/model/base.py makes one
formatter a model. Knows nothing of weights or sampling.
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
"""The reason of a PromptError."""

# For a base model that comes without a chat template of its own, after what its tokenizer puts before any text;
# docs/models.md shows it.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
PLAIN_STOPS = ("\n\nUser:", "\n\nAssistant:")
"""What begins the next turn in it: a base model goes on with that, as it has no token to end a turn with."""

_ASKED: tuple[Message, ...] = ({"role": "user", "content": "Qm7"},)
_SAID, _NEXT, _RULE, _THOUGHT = "Zk3", "Vx5", "Wj9", "Hy4"  # texts that no template writes
_SHOWN = 200  # characters of a template's own words


def find_format(tokenizer: PreTrainedTokenizerBase, options: ModelOptions, model: str) -> PromptFormat:
    """The format that a model is asked in, by its tokenizer and by what `[model]` says.

    Raises ModelError for a template that cannot be read, or that does not take the system prompt or the arguments.
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
    """The format of what was sampled and trained before formats were recorded."""
    return PromptFormat(template=own_template(tokenizer) or PLAIN_TEMPLATE)


def own_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The chat template that comes with a model; of several the one called default."""
    own = tokenizer.chat_template
    return own.get("default") if isinstance(own, dict) else own


@dataclass(frozen=True)
class PromptFormatter:
    """Turns conversations and answers into token ids, in one format."""

    tokenizer: PreTrainedTokenizerBase
    format: PromptFormat

    @cached_property
    def stops(self) -> StopStrings:
        """What ends an answer besides end tokens."""
        return StopStrings(self.tokenizer, self.format.stop)

    def render(self, messages: Sequence[Message], *, prompt: bool = True) -> str:
        """A conversation as text, ready for the assistant's answer unless not a prompt.

        Raises PromptError when the template refuses it.
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
        except Exception as error:  # a template is a program of others: it may raise anything
            raise _refusal(error) from error

    @cached_property
    def _in_parts(self) -> bool:
        """Whether the template reads a turn's content as a list of parts alone, as those for images too may."""
        return not self._shows_text(in_parts=False) and self._shows_text(in_parts=True)

    def _shows_text(self, *, in_parts: bool) -> bool:
        try:
            return _ASKED[0]["content"] in self._render(_ASKED, prompt=True, in_parts=in_parts)
        except PromptError:
            return False

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Ids of a conversation, ready for the answer, however long. Raises PromptError as `render` does."""
        ids = self._ids(self.render(messages))
        if not ids:
            raise _refusal(ValueError("it makes nothing of it"))
        return ids

    def encode_completion(self, text: str, *, ended: bool, reasoning: str | None = None) -> tuple[int, ...]:
        """Ids of an answer that comes as text, as the template writes it after a prompt.

        reasoning: what is known to go before it.

        One that ended has the end of a turn, nothing where the template writes none. Raises PromptError as `render`
        does.
        """
        prompt = self._asked
        body = self._body(text, reasoning) + (self.end_of_turn if ended else "")
        before, ids = self._ids(prompt), self._ids(prompt + body)
        return ids[len(before) :] if ids[: len(before)] == before else self._ids(body)

    def _body(self, text: str, reasoning: str | None) -> str:
        """What stands of an answer between its prompt and the end of the turn."""
        prompt, after = self._asked, self._after[0]
        said: Message = {"role": "assistant", "content": text}
        if reasoning is not None:
            said["reasoning_content"] = reasoning
        whole = self.render((*_ASKED, said), prompt=False)
        if whole.startswith(prompt) and whole.endswith(after) and (reasoning or "") in whole:
            # with the space that may come before, or without its own
            return whole[len(prompt) : len(whole) - len(after)]
        if self.parser is None:
            return text
        if reasoning is None and self.parser.form.opened_by(prompt):  # closes what the prompt has opened
            return self._body(text, _THOUGHT).removeprefix(_THOUGHT)
        return self.parser.form.written(text, reasoning, prompt=prompt)

    @cached_property
    def keeps_reasoning(self) -> bool:
        """Whether the template writes what was reasoned in earlier turns; most leave it out."""
        answered: Message = {"role": "assistant", "content": _SAID, "reasoning_content": _THOUGHT}
        try:
            return _THOUGHT in self.render((*_ASKED, answered, Message(role="user", content=_NEXT)))
        except PromptError:
            return False

    @cached_property
    def parser(self) -> AnswerParser | None:
        """What tells the reasoning from the answer; None for a model that is not known to reason."""
        form = reasoning_format(self.tokenizer, self.format.template)
        return None if form is None else AnswerParser(self.tokenizer, form, self.stops)

    def read(self, token_ids: Sequence[int], *, prompt_ids: Sequence[int], whole: bool = True) -> Answer:
        """A completion of a prompt as what it says. Not whole: as `text` has it, and half a marker is held back."""
        if self.parser is None:
            return Answer(self.text(token_ids, whole=whole))
        return self.parser.read(token_ids, prompt_ids=prompt_ids, whole=whole)

    def text(self, token_ids: Sequence[int], *, whole: bool = True) -> str:
        """An answer's text: without control tokens, up to the first stop string.

        Not whole: more may come, and what may yet become a stop string is held back.
        """
        return self.stops.text(token_ids, whole=whole).strip()

    @cached_property
    def end_of_turn(self) -> str:
        """What the template writes after an answer, up to the control token that ends the turn; empty without one.

        Without a control token up to the first stop string, such as a plain template's next turn.
        """
        last, between = self._after
        everywhere = os.path.commonprefix((last, between))  # noqa: RUF071  # of texts, no paths
        if ends := self._ends(everywhere, self._control_tokens):
            return everywhere[: max(ends)]
        marks = (*self._control_tokens, *self.format.stop)
        return next((text[: min(ends)] for text in (last, between) if (ends := self._ends(text, marks))), "")

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """The control token that the template ends an answer with, if it does."""
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
        """Where marks end in a text."""
        return [text.find(mark) + len(mark) for mark in marks if mark in text]

    @cached_property
    def _control_tokens(self) -> tuple[str, ...]:
        """Longest first. Also those that are not marked as special; not the one that begins a text."""
        added = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.content.strip()}
        if self.tokenizer.bos_token != self.tokenizer.eos_token:
            added.discard(str(self.tokenizer.bos_token))
        return tuple(sorted(added, key=len, reverse=True))

    def _ids(self, text: str) -> tuple[int, ...]:
        try:
            return tuple(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        except Exception as error:  # half a surrogate pair, for one, is no text to a tokenizer
            raise _refusal(error) from error


def _turn(message: Message) -> dict[str, Any]:
    """A turn as templates read it: what was reasoned before an answer under each name that one of them knows."""
    turn = {"role": str(message["role"]), "content": message["content"]}
    reasoning = message.get("reasoning_content")
    return turn if reasoning is None else turn | dict.fromkeys(MESSAGE_FIELDS, reasoning)


def _refusal(error: Exception) -> PromptError:
    why = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
    return PromptError("the model's chat template refuses this conversation: {why}", reason=REFUSED, why=why)


def _plain_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The plain template, after what the tokenizer puts before a text: the base model has seen none without it."""
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
    """Say once, at start, what else every prompt would be refused for."""
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
