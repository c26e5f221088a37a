"""The list of migration steps, and a check for steps that this prefloop does not know."""

from contextlib import closing

import sqlite_utils
from sqlite_utils import Migrations

STEPS = Migrations("prefloop")


def unknown_steps(db: sqlite_utils.Database) -> list[str]:
    """The steps the file has that this program does not know: a newer one made them."""
    with closing(sqlite_utils.Database(memory=True)) as empty:
        known = {step.name for step in STEPS.pending(empty)}
    return [step.name for step in STEPS.applied(db) if step.name not in known]
