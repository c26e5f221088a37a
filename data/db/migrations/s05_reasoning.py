"""Reasoning of a completion."""

import sqlite_utils

from data.db.migrations.steps import STEPS


@STEPS()
def reasoning(db: sqlite_utils.Database) -> None:
    """`completion.reasoning`: what a model thought before its answer, told apart from it, and how many tokens.

    Null where there is none; such a row keeps its digest. The number is null, too, where nobody counted.
    """
    db.execute("alter table completion add column reasoning text")
    db.execute("alter table completion add column reasoning_tokens integer check (reasoning_tokens >= 0)")
