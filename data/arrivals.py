"""Judged pairs from a file as rows of the store, many at a time, inside a write. Knows nothing of files.

Each becomes what a judgment given here would be: a pair of two answers, a lease, a judgment; so that rounds, exports
and measures of quality see no difference. The answers stand in the order of their texts, since a file often puts the
chosen one first and a is better than b here only by accident.
"""

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import sqlite_utils

from data.completions import IMPORTED_CONTENT
from data.conversations import canonical_text
from data.database import Row, insert
from data.digests import canonical, row_digest, sha256
from data.errors import InputError
from data.judged_pair import JudgedPair, Sampled
from data.judgments import judgment_row
from data.people import free_pseudonym, is_free
from data.prompts import Origin
from data.pseudonyms import is_pseudonym
from data.records import Choice, Flag, Import, ImportFile, Message, Purpose, Remarks, Role, Split, Verdict
from data.verdicts import assert_sensible

IMPORTED = "imported"
"""The strategy of pairs and leases that came from a file."""

IMPORTED_KEY = "import/"
"""What the idempotency key of an imported judgment begins with; its digest follows."""

_NOBODY = ""


_BY = """
    select j.idempotency_key, j.sha256, j.choice, j.strength, prompt.sha256 as prompt,
      a.text as text_a, b.text as text_b
    from judgment j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id
    join completion a on a.id = pair.completion_a_id join completion b on b.id = pair.completion_b_id
    where j.{column} in (select value from json_each(?))
"""


class Said(NamedTuple):
    """What a judgment says of which pair: the digest of that, and a choice, its answers in the order of their texts."""

    pair_sha256: str
    choice: Choice
    strength: int | None

    def agrees(self, other: "Said") -> bool:
        """Whether both say the same; an export may say a strength where the judgment said none."""
        strengths = {self.strength, other.strength} - {None}
        return self[:2] == other[:2] and len(strengths) < 2


@dataclass(frozen=True, slots=True)
class Arrival:
    """A judged pair with its digests. texts, verdict and models are in the order of the texts.

    A strength between two, as a mean of votes is, becomes the nearer one; one in the middle becomes 2.

    key: the idempotency key of its judgment. digest: that of the judgment where it was given, if the file says so.
    judged_at: ms since the Unix epoch, None if the file does not say.
    """

    messages: str
    prompt_sha256: str
    pair_sha256: str
    texts: tuple[str, str]
    models: tuple[str | None, str | None]
    verdict: Verdict
    swapped: bool
    key: str
    digest: str | None
    judged_at: int | None
    pair: JudgedPair

    @classmethod
    def of(cls, pair: JudgedPair, messages: str, digest: str) -> "Arrival":
        """The arrival of a judged pair, with its prompt's text and digest. Raises InputError for no time or flag."""
        turned = pair.a > pair.b
        choice = pair.choice.mirrored if turned else pair.choice
        texts = (pair.b, pair.a) if turned else (pair.a, pair.b)
        said = pair.provenance
        models = (_model(said.get("a")), _model(said.get("b")))
        pair_sha256 = pair_digest(digest, *texts)
        strength = None if pair.strength is None or not choice.decisive else round(pair.strength)
        judgment = said.get("judgment")
        key = judgment or sha256(canonical([pair_sha256, choice.value, strength, said.get("annotator")]))
        remarks = _remarks(pair)
        return cls(
            messages=messages,
            prompt_sha256=digest,
            pair_sha256=pair_sha256,
            texts=texts,
            models=models[::-1] if turned else models,
            verdict=Verdict(choice, strength, said.get("elapsed_ms"), remarks.mirrored if turned else remarks),
            swapped=said.get("shown_first") == ("a" if turned else "b"),
            key=f"{IMPORTED_KEY}{key}",
            digest=judgment,
            judged_at=_milliseconds(said.get("created_at")),
            pair=pair,
        )

    @property
    def said(self) -> Said:
        """What it says of which pair."""
        return Said(self.pair_sha256, self.verdict.choice, self.verdict.strength)

    @staticmethod
    def of_prompt(messages: Sequence[Message]) -> tuple[str, str]:
        """The canonical text of a prompt and its digest."""
        text = canonical_text(messages)
        return text, sha256(text)

    def origin(self, file: ImportFile) -> Origin:
        """Where its prompt comes from: what the row says, or else the file."""
        said = self.pair.provenance
        split = Split.HELDOUT if said.get("split") == Split.HELDOUT else None
        return Origin(said.get("source") or file.source, split=split, license=said.get("license") or file.license)


def pair_digest(prompt_sha256: str, first: str, second: str) -> str:
    """The digest of a pair: of its prompt, and of its answers in the order of their texts."""
    return sha256(canonical([prompt_sha256, first, second]))


class Kept(NamedTuple):
    """How many pairs and judgments are new, and which arrivals were refused, by their place, with the reason."""

    pairs: int
    judgments: int
    refused: dict[int, str]


def keep_pairs(
    db: sqlite_utils.Database,
    begun: Import,
    arrivals: Mapping[int, Arrival],
    prompt_ids: Mapping[str, int],
    *,
    now: int,
) -> Kept:
    """Keep the judgments that are not here yet, with their pairs and answers, inside a write.

    arrivals: by their place in the file's chunk. Refused is a second, different word of one person on a pair, one
    under the digest of another judgment, and what no annotator here could have said.
    """
    refused: dict[int, str] = {}
    fresh: dict[int, Arrival] = {}
    known = _known(db, arrivals.values())
    for place, arrival in arrivals.items():
        if arrival.key in known:
            if not known[arrival.key].agrees(arrival.said):
                refused[place] = "another judgment has the same digest; leave `judgment` out"
            continue
        known[arrival.key] = arrival.said
        if reason := _unsayable(arrival):
            refused[place] = reason
        else:
            fresh[place] = arrival
    pair_ids, new_pairs = _pair_ids(db, begun, fresh.values(), prompt_ids, now)
    people = _people(db, begun.file.source, fresh.values(), now)
    spoken = _spoken(db, pair_ids.values())
    said: list[dict[str, object]] = []
    for place, arrival in fresh.items():
        pair_id, annotator_id = pair_ids[arrival.pair_sha256], people[_name(arrival)]
        if (pair_id, annotator_id) in spoken:
            refused[place] = "the same person has said something else of this pair"
            continue
        spoken.add((pair_id, annotator_id))
        said.append(_judgment(arrival, pair_id, annotator_id, now))
    _insert_judgments(db, said, now)
    return Kept(new_pairs, len(said), refused)


def _known(db: sqlite_utils.Database, arrivals: Collection[Arrival]) -> dict[str, Said]:
    """The judgments that are here by their keys: imported before, or given here and exported."""
    keys = json.dumps([arrival.key for arrival in arrivals])
    known = {row["idempotency_key"]: _said(row) for row in db.query(_BY.format(column="idempotency_key"), [keys])}
    digests = json.dumps([arrival.digest for arrival in arrivals if arrival.digest])
    given = {f"{IMPORTED_KEY}{row['sha256']}": _said(row) for row in db.query(_BY.format(column="sha256"), [digests])}
    return known | given


def _said(row: Row) -> Said:
    """What a judgment that is here says of which pair."""
    choice = Choice(row["choice"])
    if row["text_a"] > row["text_b"]:
        return Said(pair_digest(row["prompt"], row["text_b"], row["text_a"]), choice.mirrored, row["strength"])
    return Said(pair_digest(row["prompt"], row["text_a"], row["text_b"]), choice, row["strength"])


def _unsayable(arrival: Arrival) -> str | None:
    """Why nobody here could have said it; None if somebody could."""
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
    arrivals: Iterable[Arrival],
    prompt_ids: Mapping[str, int],
    now: int,
) -> tuple[dict[str, int], int]:
    """The ids of the arrivals' pairs by their digests, after those that were missing are added; how many were."""
    by_digest = {arrival.pair_sha256: arrival for arrival in arrivals}
    sql = "select id, imported_sha256 from pair where imported_sha256 in (select value from json_each(?))"
    ids = {row["imported_sha256"]: int(row["id"]) for row in db.query(sql, [json.dumps(list(by_digest))])}
    fresh = {digest: arrival for digest, arrival in by_digest.items() if digest not in ids}
    next_answer, next_pair = _next_id(db, "completion"), _next_id(db, "pair")
    answers, pairs = [], []
    for number, (digest, arrival) in enumerate(fresh.items()):
        prompt_id = prompt_ids[arrival.prompt_sha256]
        for side in (0, 1):
            row = {
                "prompt_id": prompt_id,
                "import_id": begun.id,
                "model": arrival.models[side],
                "text": arrival.texts[side],
                "created_at": now,
            }
            answers.append((next_answer + 2 * number + side, *row.values(), row_digest(row, IMPORTED_CONTENT)))
        ids[digest] = next_pair + number
        a_id = next_answer + 2 * number
        pairs.append((ids[digest], prompt_id, a_id, a_id + 1, IMPORTED, 1, now, now, digest))
    db.conn.executemany(
        """
        insert into completion(id, prompt_id, import_id, model, text, created_at, sha256)
        values (?, ?, ?, ?, ?, ?, ?)
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


def _people(db: sqlite_utils.Database, source: str, arrivals: Iterable[Arrival], now: int) -> dict[str, int]:
    """The annotators that the arrivals name, by name, after those that were missing are added."""
    names = {_name(arrival) for arrival in arrivals}
    sql = "select name, annotator_id from imported_annotator where source = ?"
    ids = {row["name"]: int(row["annotator_id"]) for row in db.query(sql, [source])}
    for name in sorted(names - ids.keys()):
        pseudonym = name if is_pseudonym(name) and is_free(db, name) else free_pseudonym(db)
        person = {"pseudonym": pseudonym, "role": Role.ANNOTATOR.value, "created_at": now}
        ids[name] = insert(db, "annotator", person)
        db.execute("insert into imported_annotator values (?, ?, ?)", [source, name, ids[name]])
    return ids


def _spoken(db: sqlite_utils.Database, pair_ids: Iterable[int]) -> set[tuple[int, int]]:
    """Who has judged which of these pairs, as (pair, annotator)."""
    sql = "select pair_id, annotator_id from judgment where pair_id in (select value from json_each(?))"
    return {(row["pair_id"], row["annotator_id"]) for row in db.query(sql, [json.dumps(list(pair_ids))])}


def _judgment(arrival: Arrival, pair_id: int, annotator_id: int, now: int) -> dict[str, object]:
    """The columns of a judgment, but for its id and its lease's."""
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


def _name(arrival: Arrival) -> str:
    """Who judged, in the file's own words; one nobody for all rows that do not say."""
    return arrival.pair.provenance.get("annotator", _NOBODY)


def _model(sampled: Sampled | None) -> str | None:
    return None if sampled is None else sampled.get("version")


def _milliseconds(said: str | None) -> int | None:
    if said is None:
        return None
    try:
        # a time of the year 9999 may be in no year of UTC, and then nobody could export it
        since = datetime.fromisoformat(said).astimezone(UTC) - datetime.fromtimestamp(0, UTC)
        return max(0, since // timedelta(milliseconds=1))
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"created_at is {said!r:.40}, no time as ISO 8601 has it") from error


def _remarks(pair: JudgedPair) -> Remarks:
    said = pair.provenance
    reasons = said.get("reasons", {})
    flag = said.get("flag")
    if flag is not None and flag not in set(Flag):
        raise InputError(f"flag is {flag!r:.40}, none of {', '.join(Flag)}")
    return Remarks(
        tuple(reasons.get("a", ())),
        tuple(reasons.get("b", ())),
        said.get("comment", ""),
        None if flag is None else Flag(flag),
    )
