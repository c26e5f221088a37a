"""List and search the prompts of a store by words, split and source. Read-only."""

import json
from dataclasses import dataclass

from data.db.database import Database, Row
from data.records import Message, Split

_LINES = """
    select p.id, p.messages, p.split, p.source, p.pairs, p.created_at, p.retired_at, a.pseudonym as author,
      (select count(*) from pair join current_judgment j on j.pair_id = pair.id where pair.prompt_id = p.id)
        as judgments
    from prompt p left join annotator a on a.id = p.author_id
"""


@dataclass(frozen=True, slots=True)
class PromptQuery:
    """Which prompts to list; None: any. words: text in any turn, ignoring the case of ASCII letters."""

    words: str = ""
    split: Split | None = None
    source: str | None = None
    retired: bool | None = None


@dataclass(frozen=True, slots=True)
class CataloguePrompt:
    """A prompt in the list. author: the pseudonym of the annotator who wrote it. Times in ms since the Unix epoch."""

    id: int
    messages: tuple[Message, ...]
    split: Split
    source: str
    author: str | None
    pairs: int
    judgments: int
    created_at: int
    retired_at: int | None


@dataclass(frozen=True, slots=True)
class SourceCount:
    """The prompts of one source: in the training and the held-out split, and how many of both are retired."""

    source: str
    train: int
    heldout: int
    retired: int


class Catalogue:
    """The list of a store's prompts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, query: PromptQuery, *, limit: int, before: int | None = None) -> list[CataloguePrompt]:
        """Return the newest prompts that match the query, newest first; before: only those with smaller ids."""
        asked = {
            "words": query.words,
            "split": query.split.value if query.split else None,
            "source": query.source,
            "retired": query.retired,
            "before": before,
            "limit": limit,
        }
        rows = self._database.rows(
            f"""
            {_LINES} where (:split is null or p.split = :split) and (:source is null or p.source = :source)
            and (:retired is null or (p.retired_at is not null) = :retired) and (:before is null or p.id < :before)
            and (:words = '' or exists (
              select 1 from json_each(p.messages) turn
              where instr(lower(json_extract(turn.value, '$.content')), lower(:words)) > 0))
            order by p.id desc limit :limit
            """,
            asked,
        )
        return [_line(row) for row in rows]

    def sources(self) -> list[SourceCount]:
        """Return the sources of the prompts, largest first."""
        rows = self._database.rows(
            """
            select source, sum(split = 'train') as train, sum(split = 'heldout') as heldout,
              sum(retired_at is not null) as retired from prompt group by source order by count(*) desc, source
            """
        )
        return [SourceCount(row["source"], row["train"], row["heldout"], row["retired"]) for row in rows]


def _line(row: Row) -> CataloguePrompt:
    return CataloguePrompt(
        id=row["id"],
        messages=tuple(json.loads(row["messages"])),
        split=Split(row["split"]),
        source=row["source"],
        author=row["author"],
        pairs=row["pairs"],
        judgments=row["judgments"],
        created_at=row["created_at"],
        retired_at=row["retired_at"],
    )
