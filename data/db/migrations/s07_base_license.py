"""The licence of the base model, kept with a version."""

import sqlite_utils

from data.db.migrations.steps import STEPS


@STEPS()
def base_license(db: sqlite_utils.Database) -> None:
    """`adapter_version.base_license`: the licence found beside the base model, and where; null where none was.

    Of the version "base" alone, and as of the last start.
    """
    db.execute("alter table adapter_version add column base_license text")
