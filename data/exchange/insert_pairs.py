"""Insert imported judged pairs as rows of the store, many at a time, inside a write transaction.

Each becomes what a judgment given here would be: a pair of two answers, a lease, a judgment; so rounds, exports
and quality measures treat them alike.
"""

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import sqlite_utils

from data.annotation.completions import IMPORTED_CONTENT, with_reasoning
from data.annotation.judgment_rows import judgment_row
from data.annotation.validate_judgment import assert_sensible
from data.db.database import Row, insert
from data.errors import InputError
from data.exchange.imported_pair import IMPORTED_KEY, ImportedPair, JudgmentKey, pair_digest
from data.people.people import free_pseudonym, is_free
from data.people.pseudonyms import is_pseudonym
from data.records import Choice, Import, Purpose, Role
from data.support.digests import canonical, row_digest

IMPORTED = "imported"
"""The strategy of imported pairs and leases."""

_BY = """
    select j.idempotency_key, j.sha256, j.choice, j.strength, prompt.sha256 as prompt,
      a.text as text_a, b.text as text_b
    from judgment j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id
    join completion a on a.id = pair.completion_a_id join completion b on b.id = pair.completion_b_id
    where j.{column} in (select value from json_each(?))
"""
_JUDGED = """
    select prompt.sha256 as prompt, a.text as text_a, b.text as text_b
    from prompt join pair on pair.prompt_id = prompt.id
    join completion a on a.id = pair.completion_a_id join completion b on b.id = pair.completion_b_id
    where prompt.sha256 in (select value from json_each(?)) and pair.id in (select pair_id from judgment)
"""


class InsertedPairs(NamedTuple):
    """How many pairs and judgments are new, and which arrivals were refused: the reason by their index."""

    pairs: int
    judgments: int
    refused: dict[int, str]


def keep_pairs(
    db: sqlite_utils.Database,
    begun: Import,
    arrivals: Mapping[int, ImportedPair],
    prompt_ids: Mapping[str, int],
    *,
    now: int,
) -> InsertedPairs:
    """Insert the judgments that are new, with their pairs and answers, inside a write transaction.

    arrivals: by index in the chunk. Refused are: a second, different judgment of one person on a pair; one with the
    digest of another judgment; aggregated votes on a pair that has judgments here; and what no annotator here could
    have submitted.
    """
    refused: dict[int, str] = {}
    fresh: dict[int, ImportedPair] = {}
    known, judged = _known(db, arrivals.values()), _judged(db, arrivals.values())
    for place, arrival in arrivals.items():
        if arrival.key in known:
            if not known[arrival.key].agrees(arrival.said):
                refused[place] = "another judgment has the same digest; leave `judgment` out"
            continue
        known[arrival.key] = arrival.said
        if reason := _unsayable(arrival):
            refused[place] = reason
        elif arrival.votes > 1 and arrival.pair_sha256 in judged:
            refused[place] = f"{arrival.votes} votes put together, of a pair that is judged here; bring each judgment"
        else:
            fresh[place] = arrival
    pair_ids, new_pairs = _pair_ids(db, begun, fresh.values(), prompt_ids, now)
    people = _people(db, begun.file.source, fresh.values(), now)
    spoken = _spoken(db, pair_ids.values())
    said: list[dict[str, object]] = []
    for place, arrival in fresh.items():
        pair_id, annotator_id = pair_ids[arrival.pair_sha256], people[arrival.annotator]
        if (pair_id, annotator_id) in spoken:
            refused[place] = "the same person has said something else of this pair"
            continue
        spoken.add((pair_id, annotator_id))
        said.append(_judgment(arrival, pair_id, annotator_id, now))
    _insert_judgments(db, said, now)
    return InsertedPairs(new_pairs, len(said), refused)


def _known(db: sqlite_utils.Database, arrivals: Collection[ImportedPair]) -> dict[str, JudgmentKey]:
    """Return the judgments already here by key: imported before, or given here and exported."""
    keys = json.dumps([arrival.key for arrival in arrivals])
    known = {row["idempotency_key"]: _said(row) for row in db.query(_BY.format(column="idempotency_key"), [keys])}
    digests = json.dumps([arrival.digest for arrival in arrivals if arrival.digest])
    given = {f"{IMPORTED_KEY}{row['sha256']}": _said(row) for row in db.query(_BY.format(column="sha256"), [digests])}
    return known | given


def _judged(db: sqlite_utils.Database, arrivals: Iterable[ImportedPair]) -> set[str]:
    """Return the pairs of aggregated votes that have judgments here, by digest: their votes would count twice."""
    prompts = [arrival.prompt_sha256 for arrival in arrivals if arrival.votes > 1]
    rows = db.query(_JUDGED, [json.dumps(prompts)]) if prompts else ()
    return {pair_digest(row["prompt"], *sorted((row["text_a"], row["text_b"]))) for row in rows}


def _said(row: Row) -> JudgmentKey:
    """Return what a stored judgment says."""
    choice = Choice(row["choice"])
    if row["text_a"] > row["text_b"]:
        return JudgmentKey(pair_digest(row["prompt"], row["text_b"], row["text_a"]), choice.mirrored, row["strength"])
    return JudgmentKey(pair_digest(row["prompt"], row["text_a"], row["text_b"]), choice, row["strength"])


def _unsayable(arrival: ImportedPair) -> str | None:
    """Return why no annotator here could have submitted it; None if one could."""
    if arrival.pair.provenance.get("purpose", Purpose.TRAIN.value) != Purpose.TRAIN:
        return f"judged as {arrival.pair.provenance['purpose']}, which never trains"
    try:
        assert_sensible(arrival.verdict, arrival.key)
    except InputError as error:
        return str(error)
    return None


def _pair_ids(
    db: sqlite_utils.Database,
    begun: Import,
    arrivals: Iterable[ImportedPair],
    prompt_ids: Mapping[str, int],
    now: int,
) -> tuple[dict[str, int], int]:
    """Return the ids of the arrivals' pairs by digest, after inserting missing ones, and how many were missing."""
    by_digest = {arrival.pair_sha256: arrival for arrival in arrivals}
    sql = "select id, imported_sha256 from pair where imported_sha256 in (select value from json_each(?))"
    ids = {row["imported_sha256"]: int(row["id"]) for row in db.query(sql, [json.dumps(list(by_digest))])}
    fresh = {digest: arrival for digest, arrival in by_digest.items() if digest not in ids}
    next_answer, next_pair = _next_id(db, "completion"), _next_id(db, "pair")
    answers, pairs = [], []
    for number, (digest, arrival) in enumerate(fresh.items()):
        prompt_id = prompt_ids[arrival.prompt_sha256]
        for side, thought in enumerate(arrival.thoughts):
            row = {
                "prompt_id": prompt_id,
                "import_id": begun.id,
                "model": arrival.models[side],
                "text": arrival.texts[side],
                "created_at": now,
                "reasoning": None if thought is None else thought.text,
                "reasoning_tokens": None if thought is None else thought.tokens,
            }
            digest_of_row = row_digest(row, with_reasoning(row, IMPORTED_CONTENT))
            answers.append((next_answer + 2 * number + side, *row.values(), digest_of_row))
        ids[digest] = next_pair + number
        a_id = next_answer + 2 * number
        pairs.append((ids[digest], prompt_id, a_id, a_id + 1, IMPORTED, 1, now, now, digest))
    db.conn.executemany(
        """
        insert into completion(id, prompt_id, import_id, model, text, created_at, reasoning, reasoning_tokens, sha256)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        answers,
    )
    db.conn.executemany(
        """
        insert into pair(id, prompt_id, completion_a_id, completion_b_id, strategy, target_judgments, withdrawn_at,
          created_at, imported_sha256) values (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        pairs,
    )
    return ids, len(fresh)


def _people(db: sqlite_utils.Database, source: str, arrivals: Iterable[ImportedPair], now: int) -> dict[str, int]:
    """Return the annotators of the arrivals, by their names in the file, after adding missing ones."""
    names = {arrival.annotator for arrival in arrivals}
    sql = "select name, annotator_id from imported_annotator where source = ?"
    ids = {row["name"]: int(row["annotator_id"]) for row in db.query(sql, [source])}
    for name in sorted(names - ids.keys()):
        pseudonym = name if is_pseudonym(name) and is_free(db, name) else free_pseudonym(db)
        person = {"pseudonym": pseudonym, "role": Role.ANNOTATOR.value, "created_at": now}
        ids[name] = insert(db, "annotator", person)
        db.execute("insert into imported_annotator values (?, ?, ?)", [source, name, ids[name]])
    return ids


def _spoken(db: sqlite_utils.Database, pair_ids: Iterable[int]) -> set[tuple[int, int]]:
    """Return who has judged these pairs, as (pair, annotator)."""
    sql = "select pair_id, annotator_id from judgment where pair_id in (select value from json_each(?))"
    return {(row["pair_id"], row["annotator_id"]) for row in db.query(sql, [json.dumps(list(pair_ids))])}


def _judgment(arrival: ImportedPair, pair_id: int, annotator_id: int, now: int) -> dict[str, object]:
    """Return the columns of a judgment, except its id and its lease's."""
    verdict, remarks = arrival.verdict, arrival.verdict.remarks
    reasons = {"a": remarks.reasons_a, "b": remarks.reasons_b}
    return {
        "pair_id": pair_id,
        "annotator_id": annotator_id,
        "idempotency_key": arrival.key,
        "choice": verdict.choice.value,
        "strength": verdict.strength,
        "swapped": int(arrival.swapped),
        "elapsed_ms": verdict.elapsed_ms,
        "created_at": now if arrival.judged_at is None else arrival.judged_at,
        "reasons": canonical(reasons) if any(reasons.values()) else None,
        "comment": remarks.comment.strip() or None,
        "flag": None if remarks.flag is None else remarks.flag.value,
    }


def _insert_judgments(db: sqlite_utils.Database, said: Sequence[dict[str, object]], now: int) -> None:
    next_lease, next_judgment = _next_id(db, "lease"), _next_id(db, "judgment")
    leases, rows = [], []
    for number, row in enumerate(said):
        lease_id = next_lease + number
        lent = (row["pair_id"], row["annotator_id"], secrets.token_urlsafe(24), row["swapped"])
        leases.append((lease_id, *lent, row["created_at"], row["created_at"], now, IMPORTED))
        rows.append(judgment_row(row | {"lease_id": lease_id}) | {"id": next_judgment + number})
    db.conn.executemany(
        """
        insert into lease(id, pair_id, annotator_id, token, swapped, leased_at, expires_at, released_at, strategy)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        leases,
    )
    if rows:
        columns = ", ".join(rows[0])
        marks = ", ".join(f":{column}" for column in rows[0])
        db.conn.executemany(f"insert into judgment ({columns}) values ({marks})", rows)


def _next_id(db: sqlite_utils.Database, table: str) -> int:
    [row] = db.query(f"select coalesce(max(id), 0) + 1 as id from {table}")
    return int(row["id"])
