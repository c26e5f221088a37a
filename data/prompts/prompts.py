"""The prompts of a store: each conversation once, in the training or held-out split for good by its hash.

Files of prompts are read in data/exchange/read_prompts.py.
"""

import json
import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlite_utils

from data.db.database import Database, Row
from data.errors import InputError, NotFoundError
from data.prompts.conversations import canonical_text, conversation, message, messages_in, split_of
from data.records import Message, Prompt, Split
from data.support.clock import Clock
from data.support.digests import sha256

_WRITTEN = "written by an annotator"


@dataclass(frozen=True, slots=True)
class PromptOrigin:
    """Where a prompt comes from. split: None to decide by hash; the rest as in Prompt."""

    source: str
    author_id: int | None = None
    continues_id: int | None = None
    split: Split | None = None
    license: str | None = None


class KeptPrompts(NamedTuple):
    """The ids of prompts by digest, and how many of them are new."""

    ids: dict[str, int]
    added: int


class Prompts:
    """The prompts of a store. heldout_share: the share of new prompts, 0 to 1, that never trains."""

    def __init__(self, database: Database, clock: Clock, *, heldout_share: float) -> None:
        self._database = database
        self._clock = clock
        self._heldout_share = heldout_share

    def add(
        self, conversations: Iterable[Sequence[Message]], *, source: str, license: str | None = None
    ) -> tuple[int, int]:
        """Add conversations, all or (after an error) none; return how many were (added, already there).

        Raises InputError naming the first that has no turn, an unknown role, a turn without text or
        does not end with the user.
        """
        origin = PromptOrigin(source, license=license)
        texts = [_canonical(number, turns) for number, turns in enumerate(conversations, 1)]
        arrivals = [(text, sha256(text), origin) for text in texts]
        now, share = self._clock(), self._heldout_share
        kept = self._database.write(lambda db: keep_prompts(db, arrivals, share=share, now=now))
        return kept.added, len(arrivals) - kept.added

    def write(self, text: str, author_id: int) -> Prompt:
        """Store a prompt that an annotator wrote, if it is new, and return it. Raises InputError for an empty text."""
        messages = conversation([{"role": "user", "content": text}])
        return self._keep(messages, PromptOrigin(_WRITTEN, author_id))

    def continue_with(
        self, pair_id: int, answer: str, text: str, author_id: int, *, reasoning: str | None = None
    ) -> Prompt:
        """Store a pair's conversation, continued with the chosen answer and the annotator's next message, as a prompt.

        reasoning: the reasoning before the answer, if the model is to be shown it again.
        It stays in the split of the conversation's first prompt: what follows from a held-out prompt never trains.
        Raises InputError for an empty text, NotFoundError for an unknown pair.
        """
        row = self._database.row(
            "select p.* from prompt p join pair on pair.prompt_id = p.id where pair.id = ?", [pair_id]
        )
        if row is None:
            raise NotFoundError("there is no pair {pair}", pair=pair_id)
        so_far = _prompt(row)
        said = message({"role": "assistant", "content": answer})
        if reasoning is not None:
            said["reasoning_content"] = reasoning
        turns = (*so_far.messages, said, *conversation([{"role": "user", "content": text}]))
        return self._keep(turns, PromptOrigin(so_far.source, author_id, pair_id, so_far.split))

    def edit(self, prompt_id: int, text: str, author_id: int) -> Prompt:
        """Replace the last user turn of a prompt: stores a new prompt and retires the old one.

        The new prompt stays in the old one's split, since they are much alike. Raises NotFoundError, and InputError for
        an empty text or one that exists already.
        """
        old = self.by_id(prompt_id)
        messages = (*old.messages[:-1], *conversation([{"role": "user", "content": text}]))
        row = self._database.row("select id from prompt where sha256 = ?", [sha256(canonical_text(messages))])
        if row is not None:
            raise InputError("Prompt {prompt} says that already. Retire this one instead.", prompt=row["id"])
        edited = self._keep(messages, PromptOrigin(old.source, author_id, split=old.split))
        self.retire(old.id)
        return edited

    def retire(self, prompt_id: int) -> None:
        """Stop sampling this prompt, and withdraw its pairs without a judgment. Raises NotFoundError."""
        self.by_id(prompt_id)
        now = self._clock()

        def work(db: sqlite_utils.Database) -> None:
            db.execute("update prompt set retired_at = coalesce(retired_at, ?) where id = ?", [now, prompt_id])
            sql = "update pair set withdrawn_at = ? where prompt_id = ? and judged = 0 and withdrawn_at is null"
            db.execute(sql, [now, prompt_id])

        self._database.write(work)

    def count(self, split: Split | None = None) -> int:
        """Count the prompts, of one split or of both."""
        return self._database.value("select count(*) from prompt where split = coalesce(?, split)", [_word(split)])

    def sample(self, split: Split | None, n: int, seed: int) -> list[Prompt]:
        """Draw n different prompts (all, if there are fewer); the same prompts and seed give the same draw."""
        rows = self._database.rows(
            "select id from prompt where split = coalesce(?, split) order by sha256", [_word(split)]
        )
        ids = [int(row["id"]) for row in rows]
        drawn = random.Random(seed).sample(ids, min(n, len(ids)))
        found = self.by_ids(drawn)
        return [found[prompt_id] for prompt_id in drawn]

    def next(self, exclude: Collection[int] = (), split: Split | None = None) -> Prompt | None:
        """Return the prompt (of a split) to sample for: fewest pairs first, then by hash; None if all are excluded."""
        row = self._database.row(
            """
            select * from prompt where retired_at is null and split = coalesce(?, split)
            and id not in (select value from json_each(?)) order by pairs, sha256 limit 1
            """,
            [_word(split), json.dumps(list(exclude))],
        )
        return None if row is None else _prompt(row)

    def first_pairs(self, most: int) -> dict[Split, int]:
        """Count the store's first pairs by the split of their prompts; most: how many pairs to look at."""
        sql = """
            select q.split, count(*) as pairs from (select prompt_id from pair order by id limit ?) p
            join prompt q on q.id = p.prompt_id group by 1
        """
        rows = self._database.rows(sql, [most])
        return dict.fromkeys(Split, 0) | {Split(row["split"]): row["pairs"] for row in rows}

    def by_id(self, prompt_id: int) -> Prompt:
        """Return the prompt with this id. Raises NotFoundError."""
        found = self.by_ids([prompt_id])
        if prompt_id not in found:
            raise NotFoundError("there is no prompt {prompt}", prompt=prompt_id)
        return found[prompt_id]

    def by_sha256(self, digest: str) -> Prompt:
        """Return the prompt with this digest. Raises NotFoundError."""
        row = self._database.row("select * from prompt where sha256 = ?", [digest])
        if row is None:
            raise NotFoundError("there is no such prompt")
        return _prompt(row)

    def by_ids(self, prompt_ids: Iterable[int]) -> dict[int, Prompt]:
        """Return the prompts that exist among these ids, by id."""
        rows = self._database.rows(
            "select * from prompt where id in (select value from json_each(?))",
            [json.dumps(list(prompt_ids))],
        )
        return {int(row["id"]): _prompt(row) for row in rows}

    def _keep(self, messages: Sequence[Message], origin: "PromptOrigin") -> Prompt:
        text = canonical_text(messages)
        digest = sha256(text)
        now, share = self._clock(), self._heldout_share
        kept = self._database.write(lambda db: keep_prompts(db, [(text, digest, origin)], share=share, now=now))
        return self.by_id(kept.ids[digest])


def keep_prompts(
    db: sqlite_utils.Database,
    arrivals: Sequence[tuple[str, str, PromptOrigin]],
    *,
    share: float,
    now: int,
    retired_at: int | None = None,
) -> KeptPrompts:
    """Store prompts, each as (canonical text, digest, origin), inside a write transaction; known ones are kept.

    share: the share of new ones that is held out. retired_at: store new ones as retired, so that they are not sampled.
    Without it, known prompts that were stored as retired are sampled from now on.
    """
    digests = json.dumps([digest for _, digest, _ in arrivals])
    of_these = "from prompt where sha256 in (select value from json_each(?))"
    known = {row["sha256"] for row in db.query(f"select sha256 {of_these}", [digests])}
    fresh = {arrival[1]: arrival for arrival in reversed(arrivals) if arrival[1] not in known}
    db.conn.executemany(
        """
        insert into prompt(messages, sha256, split, source, license, author_id, continues_id, retired_at, created_at)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            (
                text,
                digest,
                (origin.split or split_of(digest, share)).value,
                origin.source,
                origin.license,
                origin.author_id,
                origin.continues_id,
                retired_at,
                now,
            )
            for text, digest, origin in reversed(fresh.values())
        ],
    )
    if retired_at is None:
        db.execute(
            f"update prompt set retired_at = null where id in (select id {of_these}) and retired_at = created_at",
            [digests],
        )
    return KeptPrompts(
        {row["sha256"]: row["id"] for row in db.query(f"select id, sha256 {of_these}", [digests])}, len(fresh)
    )


def _canonical(number: int, turns: Sequence[Message]) -> str:
    try:
        return canonical_text(conversation(turns))
    except InputError as error:
        raise InputError(f"conversation {number}: {error}") from error


def _word(split: Split | None) -> str | None:
    return None if split is None else split.value


def _prompt(row: Row) -> Prompt:
    return Prompt(
        id=row["id"],
        messages=messages_in(row["messages"]),
        sha256=row["sha256"],
        split=Split(row["split"]),
        source=row["source"],
        license=row["license"],
        created_at=row["created_at"],
        author_id=row["author_id"],
    )
