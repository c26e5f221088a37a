"""Who made a session, so that a made token ends with its maker."""

import sqlite_utils

from data.db.migrations.steps import STEPS


@STEPS()
def session_makers(db: sqlite_utils.Database) -> None:
    """`session.maker_sha256`: the digest of the token that made this one, to end it with; null where none did.

    No id: that of a session that has ended may be given again.
    """
    db.execute("alter table session add column maker_sha256 text")
