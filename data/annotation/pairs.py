"""Store pairs of completions, lease them to annotators, and withdraw them."""

import json
import random
from collections.abc import Iterable, Mapping

import sqlite_utils

from data.annotation import leases
from data.annotation.completions import Completions, assert_sound, insert_completion
from data.annotation.queue import HALF_JUDGED, TRAINING_ALONE, Asking, QueueRules, next_pair
from data.db.database import Database, first, insert
from data.errors import ConflictError, InputError, NotFoundError
from data.prompts.prompts import Prompts
from data.records import Completion, Lease, NewCompletion, Pair, Purpose
from data.support.clock import Clock
from data.versions.versions import version_id

SAMPLED = "sampled"
"""The strategy of a pair made by sampling, not an edit, gold copy or re-ask. Its leases note how the queue chose it."""

_ANSWERED_BY = "(select c.version_id from completion c where c.id in (p.completion_a_id, p.completion_b_id))"


class Pairs:
    """The pairs of a store."""

    def __init__(self, database: Database, clock: Clock, prompts: Prompts, source: random.Random | None = None) -> None:
        self._source = source or random.SystemRandom()
        self._database = database
        self._clock = clock
        self._prompts = prompts
        self._completions = Completions(database)

    def add(
        self,
        prompt_id: int,
        a: NewCompletion,
        b: NewCompletion,
        *,
        margin: float | None = None,
        target_judgments: int = 1,
    ) -> Pair:
        """Store two answers of one version to one prompt as a training pair. margin: see strategies.py.

        Raises NotFoundError for an unknown prompt or version; InputError for answers of two versions,
        token ids and log-probabilities that do not match, a seed beyond 63 bits, or a target below 1.
        """
        if a.version != b.version:
            raise InputError(f"a pair is of one version, these answers are of {a.version} and {b.version}")
        if target_judgments < 1:
            raise InputError(f"a pair wants at least 1 judgment, not {target_judgments}")
        wanted = {"margin": margin, "target_judgments": target_judgments}
        return self._add(prompt_id, a, b, version=a.version, wanted=wanted)

    def add_evaluation(self, prompt_id: int, a: NewCompletion, b: NewCompletion, *, champion: str) -> Pair:
        """Store an answer of the champion and one of another version as a pair that compares the two versions.

        Raises as `add`, and InputError unless exactly one of the two is the champion's.
        """
        if (a.version == champion) == (b.version == champion):
            raise InputError(f"one answer must be of {champion}, these are of {a.version} and {b.version}")
        wanted = {"purpose": Purpose.EVAL.value, "target_judgments": 1}
        return self._add(prompt_id, a, b, version=champion, wanted=wanted)

    def _add(
        self, prompt_id: int, a: NewCompletion, b: NewCompletion, *, version: str, wanted: Mapping[str, object]
    ) -> Pair:
        assert_sound(a)
        assert_sound(b)

        def work(db: sqlite_utils.Database) -> int:
            if not first(db, "select 1 from prompt where id = ?", [prompt_id]):
                raise NotFoundError("there is no prompt {prompt}", prompt=prompt_id)
            common = {"prompt_id": prompt_id, "created_at": self._clock()}
            answers = {
                f"completion_{side}_id": insert_completion(
                    db, new, common | {"version_id": version_id(db, new.version)}
                )
                for side, new in (("a", a), ("b", b))
            }
            made = {"version_id": version_id(db, version), "strategy": SAMPLED}
            return insert(db, "pair", {**common, **answers, **made, **wanted})

        return self.by_id(self._database.write(work))

    def lease(
        self,
        annotator_id: int,
        *,
        duration_ms: int,
        version: str | None = None,
        rules: QueueRules = TRAINING_ALONE,
    ) -> Lease | None:
        """Lease a pair to the annotator: the one they hold, else the next by the queue's rules, else None.

        version: the version that pairs without a judgment must be of; pairs that others have judged may be of any.
        Raises NotFoundError for an unknown annotator or version.
        """
        now = self._clock()

        def work(db: sqlite_utils.Database) -> int | None:
            if (own := leases.held(db, annotator_id, now=now)) is not None:
                return int(own["id"])
            of = None if version is None else version_id(db, version)
            drawn = next_pair(db, Asking(annotator_id, now, of, rules, self._source))
            if drawn is None:
                return None
            return leases.grant(
                db,
                drawn.pair_id,
                annotator_id,
                leases.Term(now, duration_ms),
                swapped=drawn.swapped,
                strategy=drawn.strategy,
                propensity=drawn.propensity,
            )

        lease_id = self._database.write(work)
        return None if lease_id is None else self.lease_by_id(lease_id)

    def lease_pair(self, pair_id: int, annotator_id: int, *, duration_ms: int) -> Lease:
        """Lease a given pair to the annotator; any other lease of theirs is released.

        Raises NotFoundError for an unknown pair or annotator, ConflictError if the annotator has judged
        the pair, it is withdrawn, or others have given or hold all judgments it needs.
        """
        now = self._clock()

        def work(db: sqlite_utils.Database) -> int:
            own = leases.held(db, annotator_id, now=now)
            if own is not None and own["pair_id"] == pair_id:
                return int(own["id"])
            self._assert_free(db, pair_id, annotator_id, now)
            return leases.grant(db, pair_id, annotator_id, leases.Term(now, duration_ms))

        return self.lease_by_id(self._database.write(work))

    def lease_by_id(self, lease_id: int) -> Lease:
        """Return the lease with this id. Raises NotFoundError."""
        row = self._database.row("select * from lease where id = ?", [lease_id])
        if row is None:
            raise NotFoundError(f"there is no lease {lease_id}")
        return Lease(
            token=row["token"],
            pair=self.by_id(row["pair_id"]),
            annotator_id=row["annotator_id"],
            swapped=bool(row["swapped"]),
            leased_at=row["leased_at"],
            expires_at=row["expires_at"],
        )

    def release(self, token: str, annotator_id: int) -> None:
        """Release a lease without a judgment. Idempotent; raises NotFoundError if it is not the annotator's."""
        now = self._clock()

        def work(db: sqlite_utils.Database) -> None:
            if not first(db, "select 1 from lease where token = ? and annotator_id = ?", [token, annotator_id]):
                raise NotFoundError("this pair is not assigned to you; ask for the next one")
            sql = "update lease set released_at = ? where token = ? and released_at is null"
            db.execute(sql, [now, token])

        self._database.write(work)

    def ready(self, version: str | None = None, *, purpose: Purpose = Purpose.TRAIN, against: str | None = None) -> int:
        """Count the pairs (of a version) without a judgment that can still be leased to any annotator.

        against: count only those with an answer of this version.
        """
        return self._database.value(
            f"""
            select count(*) from pair p
            where p.judged = 0 and p.withdrawn_at is null and p.purpose = '{purpose.value}'
            and (:version is null or p.version_id = (select id from adapter_version where name = :version))
            and (:against is null or (select id from adapter_version where name = :against) in {_ANSWERED_BY})
            and (p.id not in (select pair_id from lease where released_at is null)
              or {leases.TAKEN} < p.target_judgments)
            """,
            {"now": self._clock(), "version": version, "against": against},
        )

    def half_judged(self) -> int:
        """Count the training pairs that have some, but not all, of the judgments they need."""
        return self._database.value(f"select count(*) from pair p where {HALF_JUDGED}")

    def withdraw_except(self, version: str) -> int:
        """Withdraw the pairs of other versions that have no judgment and no open lease; return how many.

        Gold pairs and re-asks stay. Raises NotFoundError for an unknown version.
        """
        now = self._clock()
        sql = f"""
            update pair as p set withdrawn_at = :now
            where p.judged = 0 and p.withdrawn_at is null and p.purpose in ('train', 'eval')
            and p.version_id <> :version and {leases.TAKEN} = 0
        """
        return self._database.write(
            lambda db: db.execute(sql, {"now": now, "version": version_id(db, version)}).rowcount
        )

    def withdraw_evaluations_except(self, versions: tuple[str, str] | None) -> int:
        """Withdraw the evaluation pairs of other versions that have no judgment and no open lease; return how many.

        versions: the two whose pairs stay; None: withdraw all. Raises NotFoundError for an unknown version.
        """
        now = self._clock()
        spared = "" if versions is None else f"and not (:one in {_ANSWERED_BY} and :other in {_ANSWERED_BY})"
        sql = f"""
            update pair as p set withdrawn_at = :now
            where p.judged = 0 and p.withdrawn_at is null and p.purpose = 'eval' and {leases.TAKEN} = 0 {spared}
        """

        def work(db: sqlite_utils.Database) -> int:
            names = versions or ()
            ids = dict(zip(("one", "other"), (version_id(db, name) for name in names), strict=False))
            return int(db.execute(sql, {"now": now, **ids}).rowcount)

        return self._database.write(work)

    def by_id(self, pair_id: int) -> Pair:
        """Return the pair with this id. Raises NotFoundError."""
        found = self.by_ids([pair_id])
        if pair_id not in found:
            raise NotFoundError("there is no pair {pair}", pair=pair_id)
        return found[pair_id]

    def by_ids(self, pair_ids: Iterable[int]) -> dict[int, Pair]:
        """Return the pairs that exist among these ids, by id."""
        rows = self._database.rows(
            "select * from pair where id in (select value from json_each(?))", [json.dumps(list(pair_ids))]
        )
        prompts = self._prompts.by_ids({row["prompt_id"] for row in rows})
        completions = self._completions.by_ids(row[f"completion_{side}_id"] for row in rows for side in "ab")
        return {
            int(row["id"]): Pair(
                id=row["id"],
                prompt=prompts[row["prompt_id"]],
                a=completions[row["completion_a_id"]],
                b=completions[row["completion_b_id"]],
                purpose=Purpose(row["purpose"]),
                target_judgments=row["target_judgments"],
                created_at=row["created_at"],
            )
            for row in rows
        }

    def completion(self, completion_id: int) -> Completion:
        """Return the completion with this id. Raises NotFoundError."""
        return self._completions.by_id(completion_id)

    def _assert_free(self, db: sqlite_utils.Database, pair_id: int, annotator_id: int, now: int) -> None:
        pair = first(db, "select withdrawn_at from pair where id = ?", [pair_id])
        if pair is None:
            raise NotFoundError("there is no pair {pair}", pair=pair_id)
        if pair["withdrawn_at"] is not None:
            raise ConflictError("pair {pair} is withdrawn; ask for the next one", pair=pair_id)
        judged = "select 1 from current_judgment where pair_id = ? and annotator_id = ?"
        if first(db, judged, [pair_id, annotator_id]):
            raise ConflictError("you have judged pair {pair} already; undo that first", pair=pair_id)
        if not leases.has_room(db, pair_id, annotator_id, now=now):
            raise ConflictError("pair {pair} is with others; ask for the next one", pair=pair_id)
