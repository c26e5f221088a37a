"""The prompts of a store: each conversation once, train or held out for ever by its hash.

Knows nothing of files; see prompts_file.py.
"""

import json
import random
from collections.abc import Collection, Iterable, Sequence

import sqlite_utils

from data.clock import Clock
from data.conversations import canonical_text, conversation
from data.database import Database, Row
from data.digests import sha256
from data.errors import InputError, NotFoundError
from data.records import Message, Prompt, Split
from data.splits import split_of


class Prompts:
    """The prompts of a store. heldout_share: the part of new prompts, 0 to 1, that never trains."""

    def __init__(self, database: Database, clock: Clock, *, heldout_share: float) -> None:
        self._database = database
        self._clock = clock
        self._heldout_share = heldout_share

    def add(
        self, conversations: Iterable[Sequence[Message]], *, source: str, license: str | None = None
    ) -> tuple[int, int]:
        """Add conversations, all or (after an error) none; the answer is (added, already there).

        Raises InputError naming the first that has no turn, an unknown role, a turn without text or
        does not end with the user.
        """
        texts = [_canonical(number, turns) for number, turns in enumerate(conversations, 1)]
        now = self._clock()
        rows = []
        for text in texts:
            digest = sha256(text)
            rows.append((text, digest, split_of(digest, self._heldout_share).value, source, license, now))

        def work(db: sqlite_utils.Database) -> int:
            sql = """
                insert into prompt(messages, sha256, split, source, license, created_at)
                values (?, ?, ?, ?, ?, ?) on conflict(sha256) do nothing
            """
            return sum(db.execute(sql, row).rowcount for row in rows)

        added = self._database.write(work)
        return added, len(rows) - added

    def count(self, split: Split | None = None) -> int:
        """How many there are, of one split or of both."""
        return self._database.value("select count(*) from prompt where split = coalesce(?, split)", [_word(split)])

    def sample(self, split: Split | None, n: int, seed: int) -> list[Prompt]:
        """Draw n different prompts (all, if there are fewer); the same set and seed, the same draw."""
        rows = self._database.rows(
            "select id from prompt where split = coalesce(?, split) order by sha256", [_word(split)]
        )
        ids = [int(row["id"]) for row in rows]
        drawn = random.Random(seed).sample(ids, min(n, len(ids)))
        found = self.by_ids(drawn)
        return [found[prompt_id] for prompt_id in drawn]

    def next(self, exclude: Collection[int] = ()) -> Prompt | None:
        """The prompt to sample a pair for: fewest pairs first, then by hash; None if all are excluded."""
        row = self._database.row(
            """
            select * from prompt where id not in (select value from json_each(?))
            order by pairs, sha256 limit 1
            """,
            [json.dumps(list(exclude))],
        )
        return None if row is None else _prompt(row)

    def by_id(self, prompt_id: int) -> Prompt:
        """The prompt with this id. Raises NotFoundError."""
        found = self.by_ids([prompt_id])
        if prompt_id not in found:
            raise NotFoundError(f"there is no prompt {prompt_id}")
        return found[prompt_id]

    def by_ids(self, prompt_ids: Iterable[int]) -> dict[int, Prompt]:
        """Those prompts that exist, by id."""
        rows = self._database.rows(
            "select * from prompt where id in (select value from json_each(?))",
            [json.dumps(list(prompt_ids))],
        )
        return {int(row["id"]): _prompt(row) for row in rows}


def _canonical(number: int, turns: Sequence[Message]) -> str:
    try:
        return canonical_text(conversation(turns))
    except InputError as error:
        raise InputError(f"conversation {number}: {error}") from error


def _word(split: Split | None) -> str | None:
    return None if split is None else split.value


def _prompt(row: Row) -> Prompt:
    turns: list[Message] = json.loads(row["messages"])
    return Prompt(
        id=row["id"],
        messages=tuple({"role": turn["role"], "content": turn["content"]} for turn in turns),
        sha256=row["sha256"],
        split=Split(row["split"]),
        source=row["source"],
        license=row["license"],
        created_at=row["created_at"],
    )
