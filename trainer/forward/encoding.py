"""Convert snapshot lines to token ids: prompts by the chat template, completions as they were sampled.

A completion without ids comes from a file and is tokenized here. A prompt that is too long is cut from the left and
counted; a completion is never cut; a line that the chat template rejects is left out and reported.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from data.errors import InputError, PromptError
from data.records import Message
from trainer.forward.packing import Group
from trainer.interface.snapshot import SnapshotCompletion, SnapshotPair, SnapshotRating
from trainer.model.base import Base

_SHOWN = 5  # rejected lines that are listed


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A preference pair as token ids; strength is in 1-3."""

    prompt_ids: tuple[int, ...]
    chosen_ids: tuple[int, ...]
    rejected_ids: tuple[int, ...]
    strength: float = 1.0

    @property
    def group(self) -> Group:
        """Chosen and rejected as a group on their prompt."""
        return Group(self.prompt_ids, (self.chosen_ids, self.rejected_ids))

    @property
    def tokens(self) -> int:
        """Number of tokens when packed."""
        return self.group.tokens


@dataclass(frozen=True, slots=True)
class TokenRating:
    """One completion rated good or bad, as token ids."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    desirable: bool

    @property
    def group(self) -> Group:
        """The completion as a group on its prompt."""
        return Group(self.prompt_ids, (self.completion_ids,))


@dataclass(slots=True)
class Cuts:
    """What did not fit: prompts cut from the left, examples dropped because a completion was too long, and lines that
    the chat template rejects, with the reason by pair id.
    """

    prompts_cut: int = 0
    dropped: int = 0
    refused: dict[int, str] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Return notes on rejected lines for people; the first few one by one."""
        shown = [f"pair {number} is left out: {why}" for number, why in list(self.refused.items())[:_SHOWN]]
        more = len(self.refused) - len(shown)
        return [*shown, f"{more} more pairs are left out in the same way"] if more else shown


class Encoder:
    """Tokenizes snapshot lines to at most `max_tokens`, prompt plus its longest completion; counts what is cut."""

    def __init__(self, base: Base, *, max_tokens: int | None) -> None:
        self.cuts = Cuts()
        self._base = base
        self._limit = min(base.context, max_tokens or base.context)
        self._vocabulary = int(base.model.config.get_text_config().vocab_size)

    def pairs(self, pairs: Sequence[SnapshotPair]) -> list[TokenPair]:
        """Tokenize preference pairs; those that the chat template rejects are left out.

        Raises InputError for a completion that is empty or has ids outside the vocabulary.
        """
        out = []
        for pair in pairs:
            with self._leaving_out(pair):
                chosen, rejected = self.completions(pair)
                prompt = self._prompt(pair.prompt, max(len(chosen), len(rejected)))
                if prompt:
                    out.append(TokenPair(prompt, chosen, rejected, pair.strength))
        return out

    def ratings(self, ratings: Sequence[SnapshotRating]) -> list[TokenRating]:
        """Tokenize ratings. Leaves out and raises as `pairs` does."""
        out = []
        for rating in ratings:
            with self._leaving_out(rating):
                (completion,) = self.completions(rating)
                prompt = self._prompt(rating.prompt, len(completion))
                if prompt:
                    out.append(TokenRating(prompt, completion, rating.desirable))
        return out

    @contextmanager
    def _leaving_out(self, line: SnapshotPair | SnapshotRating) -> Iterator[None]:
        """Record a line that the chat template rejects, and continue without it."""
        try:
            yield
        except PromptError as refusal:
            self.cuts.refused[line.pair_id] = str(refusal)

    def completions(self, line: SnapshotPair | SnapshotRating) -> tuple[tuple[int, ...], ...]:
        """Return the ids of a line's completions: chosen and rejected, or the rated one.

        Raises as `pairs` does; PromptError when the chat template rejects an answer.
        """
        both = (line.chosen, line.rejected) if isinstance(line, SnapshotPair) else (line.completion,)
        return tuple(self._completion(completion, f"pair {line.pair_id}") for completion in both)

    def _prompt(self, messages: tuple[Message, ...], longest: int) -> tuple[int, ...]:
        """Return the prompt's ids, cut to the room that `longest` leaves; empty when there is none."""
        room = self._limit - longest
        if room < 1:
            self.cuts.dropped += 1
            return ()
        ids = self._base.encode(messages)
        if len(ids) > room:
            self.cuts.prompts_cut += 1
        return ids[-room:]

    def _completion(self, completion: SnapshotCompletion, name: str) -> tuple[int, ...]:
        ids = completion.token_ids
        if ids is None:
            ids = self._base.encode_completion(completion.text, ended=completion.ended, reasoning=completion.reasoning)
        if not ids:
            raise InputError(f"{name}: a completion has no tokens; withdraw the pair and start again")
        if max(ids) >= self._vocabulary:
            raise InputError(f"{name}: its token ids are not of {self._base.name}; another model sampled it")
        return ids
