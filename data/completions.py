"""Sampled answers, each with all that made it and a digest of that. Knows nothing of pairs."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import sqlite_utils

from data.database import Database, Row, insert
from data.digests import canonical, row_digest
from data.errors import InputError, NotFoundError
from data.records import Completion, FinishReason, NewCompletion, Sampling

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
"""The columns that a row's sha256 covers."""

_COMPLETION = "select c.*, v.name as version from completion c join adapter_version v on v.id = c.version_id"
_LARGEST_SEED = (1 << 63) - 1


class Completions:
    """The completions of a store, to read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_id(self, completion_id: int) -> Completion:
        """The completion with this id. Raises NotFoundError."""
        found = self.by_ids([completion_id])
        if completion_id not in found:
            raise NotFoundError(f"there is no completion {completion_id}")
        return found[completion_id]

    def by_ids(self, completion_ids: Iterable[int]) -> dict[int, Completion]:
        """Those completions that exist, by id."""
        rows = self._database.rows(
            f"{_COMPLETION} where c.id in (select value from json_each(?))",
            [json.dumps(list(completion_ids))],
        )
        return {int(row["id"]): _completion(row) for row in rows}


def assert_sound(completion: NewCompletion) -> None:
    """Raise InputError for token ids and log-probabilities that do not match, or a seed beyond 63 bits."""
    if len(completion.token_ids) != len(completion.logprobs):
        tokens, logprobs = len(completion.token_ids), len(completion.logprobs)
        raise InputError(f"a completion with {tokens} token ids but {logprobs} log-probabilities")
    if not all(map(math.isfinite, completion.logprobs)):
        raise InputError("a completion with a log-probability that is not a finite number")
    if not 0 <= completion.seed <= _LARGEST_SEED:
        raise InputError(f"seed {completion.seed} is not within 0 and {_LARGEST_SEED}")


def insert_completion(db: sqlite_utils.Database, completion: NewCompletion, common: Mapping[str, int]) -> int:
    """Insert an answer inside a write; common: its prompt_id, version_id and created_at. Answers the id."""
    row: dict[str, object] = {
        **common,
        "text": completion.text,
        "token_ids": canonical(completion.token_ids),
        "logprobs": canonical(completion.logprobs),
        "finish_reason": completion.finish_reason.value,
        "sampling": canonical(asdict(completion.sampling)),
        "seed": completion.seed,
    }
    return insert(db, "completion", row | {"sha256": row_digest(row, CONTENT)})


def _completion(row: Row) -> Completion:
    return Completion(
        id=row["id"],
        prompt_id=row["prompt_id"],
        version=row["version"],
        text=row["text"],
        token_ids=tuple(json.loads(row["token_ids"])),
        logprobs=tuple(json.loads(row["logprobs"])),
        finish_reason=FinishReason(row["finish_reason"]),
        sampling=Sampling(**json.loads(row["sampling"])),
        seed=row["seed"],
        created_at=row["created_at"],
    )
