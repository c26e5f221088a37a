"""The migrations that make the tables, one function per step; a step that has run anywhere is never edited.

Tables of judgments and decisions are append-only by triggers, on every connection. `transform()`
of sqlite-utils silently drops triggers: a step that uses it on such a table must create them again.
"""

from data.db.migrations import (  # noqa: F401  registered in this order
    s01_store,
    s02_annotation,
    s03_accounts_and_decisions,
    s04_exchange,
    s05_reasoning,
    s06_prompt_formats,
    s07_base_license,
    s08_session_makers,
    s09_what_a_pair_compares,
    s10_waited_rounds,
)
from data.db.migrations.steps import STEPS, unknown_steps

__all__ = ["STEPS", "unknown_steps"]
