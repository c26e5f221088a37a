"""Whether a round had waited for another to end."""

import sqlite_utils

from data.db.migrations.steps import STEPS


@STEPS()
def waited_rounds(db: sqlite_utils.Database) -> None:
    """`round.waited`: 1 for one that was asked for while another ran; its cause alone said so before."""
    db.execute("alter table round add column waited integer not null default 0")
    db.execute("update round set waited = 1 where cause = 'by hand, after waiting'")
