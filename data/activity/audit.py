"""The audit log: what admins did, in order; rows are only ever added. app/api/audit.py and app/client write it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from data.db.database import Database, Row, insert
from data.support.clock import Clock
from data.support.digests import canonical

Detail = Mapping[str, str | int | float | bool | None]


class AuditAct(StrEnum):
    """The acts of admins that the audit log records. Values are stored, so they never change."""

    QUARANTINE = "quarantine"
    LIFT_QUARANTINE = "lift_quarantine"
    ADD_PROMPTS = "add_prompts"
    EDIT_PROMPT = "edit_prompt"
    RETIRE_PROMPT = "retire_prompt"
    MAKE_GOLD = "make_gold"
    WRITE_GOLD = "write_gold"
    RETIRE_GOLD = "retire_gold"
    PUBLISH_GUIDELINES = "publish_guidelines"
    ADD_USER = "add_user"
    DISABLE = "disable"
    ENABLE = "enable"
    ROLE = "role"
    LINK = "link"
    PASSWORD = "password"
    SIGN_OUT = "sign_out"
    MAKE_INVITE = "make_invite"
    WITHDRAW_INVITE = "withdraw_invite"
    START_ROUND = "start_round"
    CANCEL_ROUND = "cancel_round"
    RESUME_ROUND = "resume_round"
    WITHDRAW_ROUND = "withdraw_round"
    REBUILD_ROUNDS = "rebuild_rounds"
    PROMOTE = "promote"
    PUT_ON_TRIAL = "put_on_trial"
    ROLL_BACK = "roll_back"
    REFUSE = "refuse"
    RETIRE = "retire"
    DOWNLOAD_VERSION = "download_version"
    STREAM_PREFERENCES = "stream_preferences"
    IMPORT_FILE = "import_file"
    EXPORT_PREFERENCES = "export_preferences"
    PUBLISH_PREFERENCES = "publish_preferences"
    DOWNLOAD_EXPORT = "download_export"
    DISCARD_EXPORT = "discard_export"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A row of the audit log. created_at: ms since the Unix epoch.

    action: an AuditAct, or the name that an older prefloop used. actor_id: None for the command line working without a
    server, where nobody is signed in.
    """

    id: int
    actor_id: int | None
    action: str
    detail: dict[str, str | int | float | bool | None]
    created_at: int


class Audit:
    """The audit log of a store."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, actor_id: int | None, action: AuditAct, detail: Detail) -> None:
        """Record an act. The detail must hold no secrets: every admin can read it."""
        row = {
            "actor_id": actor_id,
            "action": action.value,
            "detail": canonical(dict(detail)),
            "created_at": self._clock(),
        }
        self._database.write(lambda db: insert(db, "audit", row))

    def newest(self, limit: int, *, before: int | None = None) -> list[AuditEntry]:
        """Return the newest entries, newest first; before: only those older than this entry's id."""
        rows = self._database.rows(
            "select * from audit where :before is null or id < :before order by id desc limit :limit",
            {"before": before, "limit": limit},
        )
        return [_act(row) for row in rows]


def _act(row: Row) -> AuditEntry:
    return AuditEntry(row["id"], row["actor_id"], row["action"], json.loads(row["detail"]), row["created_at"])
