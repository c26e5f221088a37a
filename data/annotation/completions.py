"""Read completions, and insert new ones with a digest over everything that made them.

Pairs, edits and gold insert completions inside their own write transactions; exchange inserts imported ones.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import sqlite_utils

from data.db.database import Database, Row, insert
from data.errors import InputError, NotFoundError
from data.records import Completion, FinishReason, NewCompletion, Sampling, Thought
from data.support.digests import canonical, row_digest
from data.versions.prompt_formats import format_in_force

CONTENT = (
    "prompt_id",
    "version_id",
    "text",
    "token_ids",
    "logprobs",
    "finish_reason",
    "sampling",
    "seed",
    "created_at",
)
"""The columns that the sha256 of a sampled row covers."""

WRITTEN_CONTENT = ("prompt_id", "author_id", "edits_id", "text", "created_at")
"""The columns that the sha256 of a row written by a person covers."""

IMPORTED_CONTENT = ("prompt_id", "import_id", "model", "text", "created_at")
"""The columns that the sha256 of an imported row covers."""

REASONING = ("reasoning", "reasoning_tokens")
"""Columns that the sha256 covers in addition where there is reasoning."""

PROMPT_FORMAT = "prompt_format"
"""The column that the sha256 covers in addition where the prompt format is known."""

_COMPLETION = "select c.*, v.name as version from completion c left join adapter_version v on v.id = c.version_id"
LONGEST_WRITTEN = 20_000
"""The most characters that an answer written by a person may have."""
_LARGEST_SEED = (1 << 63) - 1


class Completions:
    """The completions of a store, read-only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_id(self, completion_id: int) -> Completion:
        """Return the completion with this id. Raises NotFoundError."""
        found = self.by_ids([completion_id])
        if completion_id not in found:
            raise NotFoundError(f"there is no completion {completion_id}")
        return found[completion_id]

    def by_ids(self, completion_ids: Iterable[int]) -> dict[int, Completion]:
        """Return the completions that exist among these ids, by id."""
        rows = self._database.rows(
            f"{_COMPLETION} where c.id in (select value from json_each(?))",
            [json.dumps(list(completion_ids))],
        )
        return {int(row["id"]): _completion(row) for row in rows}


def assert_sound(completion: NewCompletion) -> None:
    """Raise InputError unless there is one finite log-probability per token id and the seed fits into 63 bits."""
    if len(completion.token_ids) != len(completion.logprobs):
        tokens, logprobs = len(completion.token_ids), len(completion.logprobs)
        raise InputError(f"a completion with {tokens} token ids but {logprobs} log-probabilities")
    if not all(map(math.isfinite, completion.logprobs)):
        raise InputError("a completion with a log-probability that is not a finite number")
    if not 0 <= completion.seed <= _LARGEST_SEED:
        raise InputError(f"seed {completion.seed} is not within 0 and {_LARGEST_SEED}")


def insert_completion(db: sqlite_utils.Database, completion: NewCompletion, common: Mapping[str, int]) -> int:
    """Insert an answer inside a write transaction; return its id. common: its prompt_id, version_id and created_at."""
    row: dict[str, object] = {
        **common,
        "text": completion.text,
        "token_ids": canonical(completion.token_ids),
        "logprobs": canonical(completion.logprobs),
        "finish_reason": completion.finish_reason.value,
        "sampling": canonical(asdict(completion.sampling)),
        "seed": completion.seed,
        "reasoning": completion.reasoning,
        "reasoning_tokens": completion.reasoning_tokens,
        "prompt_format": format_in_force(db),
    }
    return insert(db, "completion", row | {"sha256": row_digest(row, _sampled_content(row))})


def insert_written(
    db: sqlite_utils.Database,
    text: str,
    *,
    prompt_id: int,
    author_id: int,
    edits_id: int | None,
    now: int,
    thought: Thought | None = None,
) -> int:
    """Insert an answer written by a person, inside a write transaction, and return its id.

    edits_id: the completion it was edited from. thought: that completion's reasoning, which is kept.
    Raises InputError for a text that is empty or longer than LONGEST_WRITTEN.
    """
    if not text.strip():
        raise InputError("The written answer is empty. Write one, or leave the edit out.")
    if len(text) > LONGEST_WRITTEN:
        raise InputError(
            "The written answer has {count} characters; at most {most} are kept. Shorten it.",
            count=len(text),
            most=LONGEST_WRITTEN,
        )
    row: dict[str, object] = {
        "prompt_id": prompt_id,
        "author_id": author_id,
        "edits_id": edits_id,
        "text": text,
        "created_at": now,
        "reasoning": None if thought is None else thought.text,
        "reasoning_tokens": None if thought is None else thought.tokens,
    }
    return insert(db, "completion", row | {"sha256": row_digest(row, with_reasoning(row, WRITTEN_CONTENT))})


def content_of(row: Row) -> tuple[str, ...]:
    """Return the columns that a row's sha256 covers."""
    if row["version_id"] is not None:
        return _sampled_content(row)
    return with_reasoning(row, WRITTEN_CONTENT if row["import_id"] is None else IMPORTED_CONTENT)


def _sampled_content(row: Mapping[str, object]) -> tuple[str, ...]:
    content = with_reasoning(row, CONTENT)
    return content if row["prompt_format"] is None else (*content, PROMPT_FORMAT)


def with_reasoning(row: Mapping[str, object], content: tuple[str, ...]) -> tuple[str, ...]:
    """Add the reasoning columns if the row has reasoning; rows without keep the digests they had before it existed."""
    return content if row["reasoning"] is None else (*content, *REASONING)


def _completion(row: Row) -> Completion:
    sampled = row["version_id"] is not None
    return Completion(
        id=row["id"],
        prompt_id=row["prompt_id"],
        version=row["version"],
        text=row["text"],
        token_ids=tuple(json.loads(row["token_ids"])) if sampled else None,
        logprobs=tuple(json.loads(row["logprobs"])) if sampled else None,
        finish_reason=FinishReason(row["finish_reason"]) if sampled else FinishReason.STOP,
        sampling=Sampling(**json.loads(row["sampling"])) if sampled else None,
        seed=row["seed"],
        created_at=row["created_at"],
        author_id=row["author_id"],
        edits_id=row["edits_id"],
        model=row["model"],
        reasoning=row["reasoning"],
        reasoning_tokens=row["reasoning_tokens"],
        prompt_format=row["prompt_format"],
    )
