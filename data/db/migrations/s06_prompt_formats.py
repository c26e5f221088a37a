"""In which prompt format a completion was sampled and a version trained."""

import sqlite_utils

from data.db.migrations.steps import STEPS


@STEPS()
def prompt_formats(db: sqlite_utils.Database) -> None:
    """How the model was asked: template, system prompt, stop strings and arguments, by the sha256 of them all.

    `prompt_format_in_force`: which one was, since when; the last is. Null in completions that were sampled and
    versions that were trained before this was recorded.
    """
    db.executescript("""
        create table prompt_format(
          sha256 text primary key,
          body text not null check (json_valid(body)),
          created_at integer not null
        ) strict, without rowid;
        create table prompt_format_in_force(
          id integer primary key,
          prompt_format text not null references prompt_format(sha256),
          created_at integer not null
        ) strict;
        alter table completion add column prompt_format text references prompt_format(sha256);
        alter table adapter_version add column prompt_format text references prompt_format(sha256);
    """)
