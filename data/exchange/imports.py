"""Imports: a record of each imported file, and its rows, each stored once.

A chunk of rows, the position where it ends and the rows it left out are one transaction: after a crash the import
resumes behind the last chunk. app/datasets reads the files and calls this.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import sqlite_utils

from data.db.database import Database, Row, insert
from data.errors import ConflictError, InputError, NotFoundError
from data.exchange.imported_pair import ImportedPair
from data.exchange.insert_pairs import keep_pairs
from data.prompts.prompts import PromptOrigin, keep_prompts
from data.records import BadRow, Import, ImportFile, ImportKind, ImportState, Message
from data.records.judged_pair import JudgedPair
from data.support.clock import Clock
from data.support.digests import canonical


class Chunk(NamedTuple):
    """A chunk of rows: where it ends, how many rows it has, and which of them could not be read."""

    position: int
    rows: int
    bad: Sequence[BadRow] = ()


class _Done(NamedTuple):
    """The result of a chunk: counts, and the rows rejected here."""

    counts: Mapping[str, int]
    bad: Sequence[BadRow]


class Imports:
    """The imports of a store. heldout_share: as in Prompts."""

    def __init__(self, database: Database, clock: Clock, *, heldout_share: float) -> None:
        self._database = database
        self._clock = clock
        self._heldout_share = heldout_share

    def begin(self, file: ImportFile, started_by: int | None = None) -> Import:
        """Start an import, or resume the unfinished one of the same content.

        Raises ConflictError when that one was started with another license: the rows stored so far have that one.
        """
        row = self._database.row(
            """
            select * from import where state <> 'done' and (kind, sha256, container, source) = (?, ?, ?, ?)
            and format is ? order by id desc limit 1
            """,
            [file.kind.value, file.sha256, file.container, file.source, file.format],
        )
        if row is not None:
            if file.license not in (None, row["license"]):
                raise ConflictError(
                    "Import {number} of this file was interrupted and has the license {license}; continue without a "
                    "different one, or give another source.",
                    number=row["id"],
                    license=row["license"] or "–",
                )
            self._set(row["id"], ImportState.RUNNING, None)
            return self.by_id(row["id"])
        begun = {
            "kind": file.kind.value,
            "name": file.name,
            "sha256": file.sha256,
            "container": file.container,
            "format": file.format,
            "source": file.source,
            "license": file.license,
            "state": ImportState.RUNNING.value,
            "counts": canonical({}),
            "started_by": started_by,
            "created_at": self._clock(),
        }
        return self.by_id(self._database.write(lambda db: insert(db, "import", begun)))

    def add_pairs(self, begun: Import, pairs: Sequence[tuple[int, JudgedPair]], chunk: Chunk) -> tuple[BadRow, ...]:
        """Store new judged pairs, each given with its row number; return the rows left out.

        Prompts that are new are not sampled from: they are stored only for the answers that came with them.
        """
        now = self._clock()
        arrivals: dict[int, ImportedPair] = {}
        refused: dict[int, str] = {}
        # pairs of one row share their prompt object, so its text is made only once
        prompts: dict[int, tuple[str, str]] = {}
        for place, (_, pair) in enumerate(pairs):
            shared = id(pair.prompt)
            if shared not in prompts:
                prompts[shared] = ImportedPair.of_prompt(pair.prompt)
            try:
                arrivals[place] = ImportedPair.of(pair, *prompts[shared])
            except InputError as error:
                refused[place] = str(error)

        def work(db: sqlite_utils.Database) -> _Done:
            prompts = keep_prompts(
                db,
                [
                    (arrival.messages, arrival.prompt_sha256, arrival.origin(begun.file))
                    for arrival in arrivals.values()
                ],
                share=self._heldout_share,
                now=now,
                retired_at=now,
            )
            kept = keep_pairs(db, begun, arrivals, prompts.ids, now=now)
            counts = {
                "prompts": prompts.added,
                "pairs": kept.pairs,
                "added": kept.judgments,
                "known": len(arrivals) - kept.judgments - len(kept.refused),
            }
            return _Done(counts, [BadRow(pairs[place][0], why) for place, why in (refused | kept.refused).items()])

        return self._advance(begun.id, chunk, work)

    def add_prompts(self, begun: Import, prompts: Sequence[tuple[Message, ...]], chunk: Chunk) -> tuple[BadRow, ...]:
        """Store prompts to sample from; return the rows left out.

        Known prompts that had only come with imported answers are sampled from now on, too.
        """
        now = self._clock()
        texts = [ImportedPair.of_prompt(messages) for messages in prompts]
        origin = PromptOrigin(begun.file.source, license=begun.file.license)

        def work(db: sqlite_utils.Database) -> _Done:
            kept = keep_prompts(
                db, [(text, digest, origin) for text, digest in texts], share=self._heldout_share, now=now
            )
            return _Done({"added": kept.added, "known": len(prompts) - kept.added}, [])

        return self._advance(begun.id, chunk, work)

    def end(self, import_id: int, *, reason: str | None = None) -> Import:
        """End an import: all rows are handled, or (with a reason) the rest could not be. Raises NotFoundError."""
        self._set(import_id, ImportState.DONE if reason is None else ImportState.BROKEN_OFF, reason)
        return self.by_id(import_id)

    def by_id(self, import_id: int) -> Import:
        """Return the import with this id. Raises NotFoundError."""
        row = self._database.row("select * from import where id = ?", [import_id])
        if row is None:
            raise NotFoundError("There is no import {number}.", number=import_id)
        return _import(row)

    def all(self) -> list[Import]:
        """Return every import, newest first."""
        return [_import(row) for row in self._database.rows("select * from import order by id desc")]

    def _advance(
        self, import_id: int, chunk: Chunk, work: Callable[[sqlite_utils.Database], _Done]
    ) -> tuple[BadRow, ...]:
        """Store a chunk, where it ends and what it left out, in one transaction."""

        def advance(db: sqlite_utils.Database) -> tuple[BadRow, ...]:
            [row] = db.query("select counts from import where id = ?", [import_id])
            done = work(db)
            bad = tuple(sorted([*chunk.bad, *done.bad], key=lambda row: row.number))
            counts = Counter(json.loads(row["counts"]))
            counts.update(done.counts)
            counts.update({"rows": chunk.rows, "bad": len(bad)})
            sql = "update import set counts = ?, position = ?, bad_rows = ? where id = ?"
            db.execute(sql, [canonical(counts), chunk.position, canonical(bad), import_id])
            return bad

        return self._database.write(advance)

    def _set(self, import_id: int, state: ImportState, reason: str | None) -> None:
        ended_at = None if state is ImportState.RUNNING else self._clock()
        sql = "update import set state = ?, reason = ?, ended_at = ? where id = ?"
        self._database.write(lambda db: db.execute(sql, [state.value, reason, ended_at, import_id]).rowcount)


def _import(row: Row) -> Import:
    file = ImportFile(
        kind=ImportKind(row["kind"]),
        name=row["name"],
        sha256=row["sha256"],
        container=row["container"],
        format=row["format"],
        source=row["source"],
        license=row["license"],
    )
    return Import(
        id=row["id"],
        file=file,
        state=ImportState(row["state"]),
        position=row["position"],
        bad_rows=tuple(BadRow(number, reason) for number, reason in json.loads(row["bad_rows"])),
        counts=json.loads(row["counts"]),
        reason=row["reason"],
        started_by=row["started_by"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
    )
