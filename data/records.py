"""The words of the loop as frozen records. Knows nothing of how they are stored or trained on.

All times are milliseconds since the Unix epoch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple, NotRequired

from typing_extensions import TypedDict


class Message(TypedDict):
    """One turn of a conversation, as chat templates take it.

    reasoning_content: what an assistant reasoned before this answer; there only where the template reads it.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    reasoning_content: NotRequired[str]


class Role(StrEnum):
    """What a person may do."""

    ANNOTATOR = "annotator"
    ADMIN = "admin"


class Split(StrEnum):
    """Where the judgments on a prompt go; decided by the prompt's hash, for ever."""

    TRAIN = "train"
    HELDOUT = "heldout"


class FinishReason(StrEnum):
    """Why sampling ended: the model said so (EOS), or the token limit came first."""

    STOP = "stop"
    LENGTH = "length"


class Choice(StrEnum):
    """What a judgment says of a pair. RETRACTED is what an undo appends; nobody picks it."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"
    RETRACTED = "retracted"

    @property
    def decisive(self) -> bool:
        """Whether it names a winner, and so can train."""
        return self in (Choice.A, Choice.B)

    @property
    def mirrored(self) -> "Choice":
        """The same choice when the two sides change places."""
        return {Choice.A: Choice.B, Choice.B: Choice.A}.get(self, self)


class Purpose(StrEnum):
    """What a pair is judged for. Only TRAIN ever trains.

    EVAL: the champion against the version before it. GOLD: the right answer is known. REASK: a pair that the same
    annotator has judged before, its sides swapped.
    """

    TRAIN = "train"
    EVAL = "eval"
    GOLD = "gold"
    REASK = "reask"


class RoundState(StrEnum):
    """queued -> training -> swapping -> promoted, waiting or refused; on the way there also failed or cancelled.

    PROMOTED: its version took over. WAITING: its version is there, and what becomes of it is decided later. REFUSED:
    its version is there, and its evaluation speaks against it.
    """

    QUEUED = "queued"
    TRAINING = "training"
    SWAPPING = "swapping"
    WAITING = "waiting"
    PROMOTED = "promoted"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the round is over."""
        return self not in (RoundState.QUEUED, RoundState.TRAINING, RoundState.SWAPPING)

    @property
    def made_version(self) -> bool:
        """Whether there is a version that came of it."""
        return self in (RoundState.PROMOTED, RoundState.WAITING, RoundState.REFUSED)


class Ruling(StrEnum):
    """What was decided on a version.

    WAIT: an admin is to decide. TRY: annotators compare it, blind, with the one that serves. PROMOTE: it takes over.
    REFUSE: it shall not serve. ROLL_BACK: it served and proved worse. RETIRE: it is put away.
    """

    WAIT = "wait"
    TRY = "try"
    PROMOTE = "promote"
    REFUSE = "refuse"
    ROLL_BACK = "roll_back"
    RETIRE = "retire"


class ServingAction(StrEnum):
    """How a version came to serve."""

    INSTALL = "install"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Annotator:
    """A person, by pseudonym; login and password live apart so that erasing them leaves the judgments.

    disabled_at: since when they may not sign in; None if they may.
    """

    id: int
    login: str
    pseudonym: str
    role: Role
    created_at: int
    disabled_at: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that ends with a user turn. author_id: the annotator who wrote its last turn, if one did."""

    id: int
    messages: tuple[Message, ...]
    sha256: str
    split: Split
    source: str
    license: str | None
    created_at: int
    author_id: int | None = None

    @property
    def turns(self) -> int:
        """How often the user speaks."""
        return sum(message["role"] == "user" for message in self.messages)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a completion is drawn. temperature 0 is greedy; top_p 1 and top_k 0 are the whole distribution.

    repetition_penalty divides the positive logits of ids that stand in the prompt or the answer so far, and
    multiplies the negative ones; 1 leaves them. max_new_tokens None: until the model ends, at most what the model at
    hand is given and its context leaves (trainer.base.Base.answer_limit). Raises ValueError for a number that makes no
    sense.
    """

    temperature: float = 0.9
    top_p: float = 0.95
    max_new_tokens: int | None = None
    top_k: int = 0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        limited = self.max_new_tokens is None or self.max_new_tokens > 0
        if not (0 <= self.temperature < math.inf and 0 < self.top_p <= 1 and limited):
            raise ValueError(
                f"temperature {self.temperature} must be at least 0 and finite, top_p {self.top_p} in (0, 1], "
                f"max_new_tokens {self.max_new_tokens} at least 1"
            )
        if not (self.top_k >= 0 and 0 < self.repetition_penalty < math.inf):
            raise ValueError(
                f"top_k {self.top_k} must be at least 0 (0: off), "
                f"repetition_penalty {self.repetition_penalty} above 0 and finite"
            )


class Thought(NamedTuple):
    """What a model reasoned before an answer, and how many tokens that took; None: nobody counted."""

    text: str
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class NewCompletion:
    """A sampled answer with all that made it, before it has an id.

    token_ids are the sampled ids, EOS included when finish_reason is STOP; logprobs are those of the
    version that sampled, at temperature 1, one per token id (nats). text is the answer alone; reasoning is what the
    model thought before it and reasoning_tokens how many of the ids that took, None if it gave none.
    """

    version: str
    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason
    sampling: Sampling
    seed: int
    reasoning: str | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A stored completion: sampled by a version, written by a person (author_id), or from a file (neither).

    What was not sampled here has no version, token ids, log-probs, sampling or seed. edits_id is the completion that
    was edited, if a person did not write from nothing; model is what made an answer, as the file says it is from.
    reasoning as NewCompletion has it; its number of tokens may be unknown where it came from a file. prompt_format: the
    sha256 of the format that the model was asked in.
    """

    id: int
    prompt_id: int
    version: str | None
    text: str
    token_ids: tuple[int, ...] | None
    logprobs: tuple[float, ...] | None
    finish_reason: FinishReason
    sampling: Sampling | None
    seed: int | None
    created_at: int
    author_id: int | None = None
    edits_id: int | None = None
    model: str | None = None
    reasoning: str | None = None
    reasoning_tokens: int | None = None
    prompt_format: str | None = None

    @property
    def thought(self) -> Thought | None:
        """The reasoning with its number of tokens, if there is any."""
        return None if self.reasoning is None else Thought(self.reasoning, self.reasoning_tokens)

    @property
    def cut_off_after(self) -> int | None:
        """After how many tokens a limit cut the answer off; None for one that ended by itself."""
        return len(self.token_ids) if self.token_ids and self.finish_reason is FinishReason.LENGTH else None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two completions of one prompt by one version; to measure one version against another, by two."""

    id: int
    prompt: Prompt
    a: Completion
    b: Completion
    target_judgments: int
    created_at: int
    purpose: Purpose = Purpose.TRAIN


@dataclass(frozen=True, slots=True)
class Lease:
    """A pair lent to one annotator until a time. swapped: completion b is shown on side A."""

    token: str
    pair: Pair
    annotator_id: int
    swapped: bool
    leased_at: int
    expires_at: int

    @property
    def shown(self) -> tuple[Completion, Completion]:
        """The completions on side A and side B, as the annotator sees them."""
        return (self.pair.b, self.pair.a) if self.swapped else (self.pair.a, self.pair.b)


class Flag(StrEnum):
    """What an admin should look at: a prompt that makes no sense, somebody to be recognised, somebody to be hurt."""

    BROKEN_PROMPT = "broken_prompt"
    PERSONAL_DATA = "personal_data"
    UNSAFE = "unsafe"

    @property
    def bars(self) -> bool:
        """Whether judgments of the pair stay out of rounds. An unsafe answer is just what a round should learn from."""
        return self in (Flag.BROKEN_PROMPT, Flag.PERSONAL_DATA)


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is said of a pair besides the choice: tags for each side, a comment, a flag."""

    reasons_a: tuple[str, ...] = ()
    reasons_b: tuple[str, ...] = ()
    comment: str = ""
    flag: Flag | None = None

    @property
    def mirrored(self) -> "Remarks":
        """The same remarks when the two sides change places."""
        return replace(self, reasons_a=self.reasons_b, reasons_b=self.reasons_a)


NO_REMARKS = Remarks()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an annotator said, in the sides he saw. strength 1-3 goes with a or b only.

    elapsed_ms: how long both answers could be read, without the time hidden or idle. edit: the better answer as he
    would have it.
    """

    choice: Choice
    strength: int | None = None
    elapsed_ms: int | None = None
    remarks: Remarks = NO_REMARKS
    edit: str | None = None


@dataclass(frozen=True, slots=True)
class Judgment:
    """A stored verdict, in the pair's own a and b; supersedes names the row it replaces.

    guideline_id: the guideline it was given under. follows_id: the judgment whose edit brought this one along, which
    is on the edited answer against the original. edit: the edited answer, if it brought one along.
    """

    id: int
    pair_id: int
    annotator_id: int
    choice: Choice
    strength: int | None
    swapped: bool
    elapsed_ms: int | None
    supersedes_id: int | None
    created_at: int
    remarks: Remarks = NO_REMARKS
    guideline_id: int | None = None
    follows_id: int | None = None
    edit: str | None = None

    @property
    def shown(self) -> Choice:
        """The choice in the sides the annotator saw."""
        return self.choice.mirrored if self.swapped else self.choice


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The model that a store is bound to. license: what was found beside it, in words."""

    name: str
    revision: str
    license: str | None

    @property
    def title(self) -> str:
        """The name as others may read it: of a path, the last part alone."""
        return Path(self.name).name if Path(self.name).is_absolute() else self.name


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """An immutable LoRA directory, or the bare base model (sha256 and round_id None).

    prompt_format: the sha256 of the format that it was trained in, None if that is not known.
    """

    id: int
    name: str
    sha256: str | None
    round_id: int | None
    parent: str | None
    created_at: int
    prompt_format: str | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of the loop: snapshot, training, swap. flip_rate is as measured when it was frozen.

    cause: what began it, in words. rules: those its pairs were selected by; sha256: of what was selected, None for a
    round of an older prefloop. newest_judgment: the newest there was then, 0 without any. rebuilds_id: the round whose
    judgments it took, but those of `without`.
    """

    id: int
    state: RoundState
    reason: str | None
    config: dict[str, object]
    counts: dict[str, int]
    started_by: int | None
    created_at: int
    ended_at: int | None
    flip_rate: float | None = None
    cause: str = "by hand"
    rules: Mapping[str, float | bool] = field(default_factory=dict)
    sha256: str | None = None
    newest_judgment: int = 0
    rebuilds_id: int | None = None
    without: "Without | None" = None


@dataclass(frozen=True, slots=True)
class Without:
    """Whose judgments, and which prompts', a rebuilt round leaves out: annotators by id, prompts by their source."""

    annotators: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """A snapshot in numbers: pairs that train, that are held out, and whose answers are both bad.

    judgments: used ones; excluded: left out, by reason. flip_rate: as Snapshot has it. sha256: of what was selected.
    """

    train: int
    heldout: int
    both_bad: int
    judgments: int
    excluded: Mapping[str, int]
    flip_rate: float | None
    sha256: str


@dataclass(frozen=True, slots=True)
class RoundRequest:
    """A round that waits until the one under way has ended. algorithm: None for the configured one."""

    algorithm: str | None
    asked_by: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Decision:
    """A ruling on a version. numbers: what it rests on. actor_id: who decided, None for prefloop by its rules."""

    id: int
    version: str
    ruling: Ruling
    reason: str
    numbers: Mapping[str, float | int | str | None]
    actor_id: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class ServingEvent:
    """A move of the champion alias: which version began to serve, when, by whom and why."""

    id: int
    version: str
    action: ServingAction
    actor_id: int | None
    reason: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Preference:
    """A decided pair as a snapshot holds it: the interface between store and trainer.

    chosen and rejected are completions of one prompt; judgment_ids are the rows that decided it;
    strength is the mean strength of the winning votes, in 1-3.
    """

    pair_id: int
    prompt: Prompt
    chosen: Completion
    rejected: Completion
    strength: float
    judgment_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a round trains and is held to, and what was left out by reason.

    both_bad: pairs of the training split whose answers were both found bad. flip_rate: how often a judgment is
    flipped, as measured on pairs that several people judged; None when those were too few.
    """

    train: tuple[Preference, ...]
    heldout: tuple[Preference, ...]
    excluded: dict[str, int]
    both_bad: tuple[Pair, ...] = ()
    flip_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Guideline:
    """What annotators judge by (Markdown). translations: the same in other languages, by tag ("zh")."""

    id: int
    version: str
    body: str
    translations: dict[str, str]
    created_at: int


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A time from which an annotator's judgments stay out of rounds, until it is lifted."""

    id: int
    annotator_id: int
    reason: str
    made_by: int | None
    created_at: int


class ImportKind(StrEnum):
    """What a file was read for."""

    PROMPTS = "prompts"
    PREFERENCES = "preferences"


class ImportState(StrEnum):
    """RUNNING: rows are being read, or were when the program ended. BROKEN_OFF: the file could not be read on."""

    RUNNING = "running"
    DONE = "done"
    BROKEN_OFF = "broken_off"


@dataclass(frozen=True, slots=True)
class ImportFile:
    """What is known of a file before its rows are kept. sha256: of its content; format: None for prompts."""

    kind: ImportKind
    name: str
    sha256: str
    container: str
    format: str | None
    source: str
    license: str | None = None


class BadRow(NamedTuple):
    """A row that is left out, by its number in the file's unit, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """A file whose rows came into the store. position: the number of the last row that has been dealt with.

    bad_rows: of the last chunk of rows, those that were left out. counts: "rows" dealt with, "added" and "known" (there
    before, or twice in the file), "bad"; of preferences also the "prompts" and "pairs" that were new.
    """

    id: int
    file: ImportFile
    state: ImportState
    position: int
    bad_rows: tuple[BadRow, ...]
    counts: Mapping[str, int]
    reason: str | None
    started_by: int | None
    created_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class NewExport:
    """What became a file. request: what was asked for; sha256: of the file; counts: rows by part, and left out."""

    request: Mapping[str, object]
    format: str
    container: str
    sha256: str
    counts: Mapping[str, int]
    guideline_id: int | None
    software: str


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was made of the store."""

    id: int
    made: NewExport
    made_by: int | None
    created_at: int
