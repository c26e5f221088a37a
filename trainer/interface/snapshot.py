"""The lines of a snapshot: training pairs, held-out pairs and ratings as a round directory stores them.

A completion comes from the store with the token ids that were sampled, or from a file as text alone.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.prompts.conversations import canonical_text, split_of
from data.records import Completion, FinishReason, Message, Preference, Snapshot, Split
from data.records.examples import PairExample, RatedExample
from data.support.digests import sha256


@dataclass(frozen=True, slots=True)
class SnapshotCompletion:
    """A completion. token_ids: as sampled, with EOS if it came; None: text from elsewhere, taken as finished.

    reasoning: the model's reasoning before the answer; token_ids already include it.
    """

    text: str
    token_ids: tuple[int, ...] | None = None
    finish_reason: FinishReason = FinishReason.STOP
    version: str | None = None
    reasoning: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the model ended it itself; only then EOS is trained on."""
        return self.finish_reason is FinishReason.STOP


@dataclass(frozen=True, slots=True)
class SnapshotPair:
    """One line of pairs.jsonl or heldout.jsonl."""

    pair_id: int
    prompt: tuple[Message, ...]
    chosen: SnapshotCompletion
    rejected: SnapshotCompletion
    strength: float = 1.0
    judgment_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotRating:
    """One line of rated.jsonl."""

    pair_id: int
    prompt: tuple[Message, ...]
    completion: SnapshotCompletion
    desirable: bool


@dataclass(frozen=True, slots=True)
class SnapshotLines:
    """All lines of a snapshot, and the numbers of excluded judgments by reason."""

    train: Sequence[SnapshotPair]
    heldout: Sequence[SnapshotPair]
    rated: Sequence[SnapshotRating]
    excluded: dict[str, int]


def lines_of_store(snapshot: Snapshot) -> SnapshotLines:
    """Convert a snapshot of the store to lines."""
    rated = [
        SnapshotRating(pair.id, pair.prompt.messages, _completion(completion), desirable=False)
        for pair in snapshot.both_bad
        for completion in (pair.a, pair.b)
    ]
    return SnapshotLines(
        train=[_pair(preference) for preference in snapshot.train],
        heldout=[_pair(preference) for preference in snapshot.heldout],
        rated=rated,
        excluded=snapshot.excluded,
    )


def lines_of_examples(
    pairs: Iterable[PairExample], rated: Iterable[RatedExample], *, heldout_share: float, excluded: dict[str, int]
) -> SnapshotLines:
    """Convert examples from a file to lines, split by prompt as the store does. Drops ratings of held-out prompts."""
    numbered = [
        SnapshotPair(
            number,
            example.prompt,
            SnapshotCompletion(example.chosen),
            SnapshotCompletion(example.rejected),
            example.strength,
        )
        for number, example in enumerate(pairs, 1)
    ]
    ratings = [
        SnapshotRating(number, example.prompt, SnapshotCompletion(example.completion), example.desirable)
        for number, example in enumerate(rated, len(numbered) + 1)
    ]

    def trains(prompt: tuple[Message, ...]) -> bool:
        return split_of(sha256(canonical_text(prompt)), heldout_share) is Split.TRAIN

    return SnapshotLines(
        train=[pair for pair in numbered if trains(pair.prompt)],
        heldout=[pair for pair in numbered if not trains(pair.prompt)],
        rated=[rating for rating in ratings if trains(rating.prompt)],
        excluded=excluded,
    )


def write_lines(path: Path, lines: Iterable[SnapshotPair | SnapshotRating]) -> None:
    """Write one JSON object per line."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines)


def read_pairs(path: Path) -> list[SnapshotPair]:
    """Read pairs from a file."""
    return [
        SnapshotPair(
            pair_id=row["pair_id"],
            prompt=tuple(row["prompt"]),
            chosen=_read_completion(row["chosen"]),
            rejected=_read_completion(row["rejected"]),
            strength=row["strength"],
            judgment_ids=tuple(row["judgment_ids"]),
        )
        for row in _rows(path)
    ]


def read_ratings(path: Path) -> list[SnapshotRating]:
    """Read ratings from a file."""
    return [
        SnapshotRating(row["pair_id"], tuple(row["prompt"]), _read_completion(row["completion"]), row["desirable"])
        for row in _rows(path)
    ]


def _rows(path: Path) -> list[dict[str, Any]]:
    # split("\n"), not splitlines: a text may contain U+2028, which JSON does not escape
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _read_completion(row: dict[str, Any]) -> SnapshotCompletion:
    ids = row["token_ids"]
    return SnapshotCompletion(
        text=row["text"],
        token_ids=None if ids is None else tuple(ids),
        finish_reason=FinishReason(row["finish_reason"]),
        version=row["version"],
        reasoning=row.get("reasoning"),
    )


def _completion(completion: Completion) -> SnapshotCompletion:
    return SnapshotCompletion(
        completion.text, completion.token_ids, completion.finish_reason, completion.version, completion.reasoning
    )


def _pair(preference: Preference) -> SnapshotPair:
    return SnapshotPair(
        pair_id=preference.pair_id,
        prompt=preference.prompt.messages,
        chosen=_completion(preference.chosen),
        rejected=_completion(preference.rejected),
        strength=preference.strength,
        judgment_ids=preference.judgment_ids,
    )
