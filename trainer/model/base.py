"""Load the frozen base model with its tokenizer, and convert between conversations, token ids and answers.

A name is the built-in model, a known one, a local directory, a GGUF file or a Hugging Face hub id
(trainer/loading/files.py). Sampler and trainer share one Base.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from data.errors import ModelError, PromptError
from data.records import Message, Sampling
from trainer.interface.model_settings import AS_IT_COMES, BUILT_IN, ModelOptions, PromptFormat
from trainer.loading.files import ModelFiles, find_model
from trainer.loading.license import ModelLicense
from trainer.loading.weights import load_files, quantisation
from trainer.model.context import context_length
from trainer.prompting.prompt_format import PLAIN_TEMPLATE, PromptFormatter, find_format, former_format
from trainer.prompting.reasoning import Answer

TOO_LONG = "longer than the model can read"

# The longest answer in tokens, where no setting says it.
_LONGEST_ANSWER = 1024
_LONGEST_OF_REASONING = 2048
_LONGEST_OF_BUILT_IN = 128  # it was taught short answers

# Below this many parameters a second CPU thread costs more than it gains (measured: one thread is faster at
# 5 M, and where other processes share the cores two threads were nine times slower).
_ONE_THREAD = 50_000_000


@dataclass(frozen=True, slots=True)
class Base:
    """A decoder in evaluation mode with all weights frozen.

    revision: the hub's commit, or a digest of the local files; it tells models apart, but is no proof of integrity.
    eos_ids end a completion. context: longest sequence in tokens. longest_answer: limit of an answer where no setting
    gives one. prompts: the prompt format in use; former: the format of data sampled and trained before formats were
    recorded. license: the one found beside the model.
    """

    name: str
    revision: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    eos_ids: frozenset[int]
    context: int
    plain_template: bool
    prompts: PromptFormatter
    former: PromptFormat
    longest_answer: int = _LONGEST_ANSWER
    license: ModelLicense | None = None

    def move(self, device: torch.device) -> None:
        """Move the weights to another device, and free the accelerator memory that is no longer used."""
        torch.nn.Module.to(self.model, device)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def format(self) -> PromptFormat:
        """The prompt format in use."""
        return self.prompts.format

    def under(self, format: PromptFormat) -> "Base":
        """Return the same model with another prompt format."""
        prompts = PromptFormatter(self.tokenizer, format)
        return replace(self, prompts=prompts, eos_ids=self.eos_ids | prompts.end_ids)

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return the ids of a conversation, ready for the assistant's answer, at any length.

        Raises PromptError when the chat template rejects it.
        """
        return self.prompts.encode(messages)

    def encode_completion(self, text: str, *, ended: bool, reasoning: str | None = None) -> tuple[int, ...]:
        """Return the ids of an answer given as text; a finished one gets the end-of-turn or end-of-text token.

        reasoning: the reasoning that precedes the answer, if known.

        Raises PromptError when the chat template rejects it.
        """
        ids = self.prompts.encode_completion(text, ended=ended, reasoning=reasoning)
        if not ended or self.prompts.end_of_turn:
            return ids
        own = self.tokenizer.eos_token_id
        return (*ids, own if own in self.eos_ids else min(self.eos_ids))

    def ends(self, token_ids: Sequence[int]) -> bool:
        """Return whether the newest token of an answer ends it: an EOS token, or the last of a stop string."""
        return token_ids[-1] in self.eos_ids or self.prompts.stops.met(token_ids)

    def prompt_ids(self, messages: Sequence[Message], *, room: int = 1) -> tuple[int, ...]:
        """Return the same as `encode`, checked to leave at least `room` tokens for the answer.

        Raises PromptError when the context leaves less than that, or the chat template rejects the conversation.
        """
        ids = self.encode(messages)
        self._assert_room(len(ids), room)
        return ids

    def answer_limit(self, prompt_tokens: int, sampling: Sampling) -> int:
        """Return the maximum number of tokens of an answer to a prompt of this length.

        Raises PromptError when the prompt leaves no room at all.
        """
        self._assert_room(prompt_tokens, 1)
        return min(sampling.max_new_tokens or self.longest_answer, self.context - prompt_tokens)

    def readable(self, prompt_ids: tuple[int, ...]) -> tuple[int, ...]:
        """Return the prompt, cut from the left to half of the context when it leaves no room for an answer."""
        return prompt_ids if len(prompt_ids) < self.context else prompt_ids[-max(1, self.context // 2) :]

    def _assert_room(self, prompt_tokens: int, room: int) -> None:
        if prompt_tokens + room > self.context:
            raise PromptError(
                "this prompt has {tokens} tokens and its answer takes at least {room}, but {model} reads only "
                "{context}; shorten the prompt or serve a model with a longer context",
                reason=TOO_LONG,
                tokens=prompt_tokens,
                room=room,
                model=self.name,
                context=self.context,
            )

    def read(self, token_ids: Sequence[int], *, prompt_ids: Sequence[int], whole: bool = True) -> Answer:
        """Split a completion into answer and reasoning.

        whole=False: more tokens may follow, so an incomplete marker or stop string is held back.
        """
        return self.prompts.read(token_ids, prompt_ids=prompt_ids, whole=whole)

    def text(self, token_ids: Sequence[int], *, whole: bool = True) -> str:
        """Decode completion ids, reasoning included, without special tokens and anything after a stop string.

        whole=False: more tokens may follow, so what may become a stop string is held back.
        """
        return self.prompts.text(token_ids, whole=whole)

    def describe(self) -> str:
        """Return one line for the server's start: name, size, device, dtype, template."""
        parameters = self.model.num_parameters()
        template = "plain chat template" if self.plain_template else "its own chat template"
        kind = str(self.model.dtype).removeprefix("torch.")
        if quantised := quantisation(self.model):
            kind = f"{kind}, weights in {quantised}"
        return f"{self.name} ({parameters / 1e6:.1f} M parameters, {self.model.device.type}, {kind}, {template})"


def load_base(name: str, *, device: torch.device | None = None, options: ModelOptions = AS_IT_COMES) -> Base:
    """Load a decoder: in bfloat16 on CUDA if available, else in float32 on the CPU.

    options: the section `[model]` without the name.

    Raises ModelError naming the model, the reason and what to do.
    """
    where = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = find_model(name)
    tokenizer, model = load_files(files, where, options)
    former, chosen = former_format(tokenizer), find_format(tokenizer, options, name)
    tokenizer.chat_template = chosen.template  # so that it is saved wherever the tokenizer is saved
    if where.type == "cpu" and model.num_parameters() < _ONE_THREAD:
        torch.set_num_threads(1)
    model.train(False).requires_grad_(False)
    prompts = PromptFormatter(tokenizer, chosen)
    base = Base(
        name=files.name,
        revision=_revision(files, model, options),
        model=model,
        tokenizer=tokenizer,
        eos_ids=_eos_ids(model, tokenizer),
        context=context_length(model.config, tokenizer),
        plain_template=chosen.template.endswith(PLAIN_TEMPLATE),
        prompts=prompts,
        former=former,
        longest_answer=_longest_answer(name, reasons=prompts.parser is not None),
        license=files.license,
    ).under(chosen)
    if not base.eos_ids and not chosen.stop:
        raise ModelError(
            f"model {name} names no end-of-sequence token, and its chat template ends no turn: answers would never "
            "end. Give stop strings under [model] in prefloop.toml"
        )
    return base


def _longest_answer(name: str, *, reasons: bool) -> int:
    """Return the limit of an answer in tokens where no setting says it."""
    if name == BUILT_IN:
        return _LONGEST_OF_BUILT_IN
    return _LONGEST_OF_REASONING if reasons else _LONGEST_ANSWER


def _revision(files: ModelFiles, model: PreTrainedModel, options: ModelOptions) -> str:
    """Return the id of the weights; another quantisation is another base."""
    revision = files.revision or str(model.config._commit_hash)
    return f"{revision}+{options.quantize}" if options.quantize else revision


def _eos_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return every id that ends an answer, from the generation config and the tokenizer."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = set(configured if isinstance(configured, list) else [configured]) | {tokenizer.eos_token_id}
    return frozenset(ids - {None})
