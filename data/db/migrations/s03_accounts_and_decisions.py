"""Accounts, decisions about versions, the webhook outbox and what starts a round."""

import sqlite_utils

from data.db.migrations.steps import STEPS


@STEPS()
def accounts(db: sqlite_utils.Database) -> None:
    """Invites, browsers known by a cookie, disabled people; sessions get an id to be ended by, and may have a name.

    The session table is made anew, since its primary key changes; nothing refers to it.
    """
    db.executescript("""
        alter table annotator add column disabled_at integer;
        create table session_anew(
          id integer primary key,
          token_sha256 text not null unique,
          annotator_id integer not null references annotator(id),
          name text,
          agent text not null default '',
          created_at integer not null,
          expires_at integer not null
        ) strict;
        insert into session_anew(token_sha256, annotator_id, created_at, expires_at)
          select token_sha256, annotator_id, created_at, expires_at from session order by created_at;
        drop table session;
        alter table session_anew rename to session;
        create index session_of_annotator on session(annotator_id);
        create table device(
          token_sha256 text not null,
          annotator_id integer not null references annotator(id),
          created_at integer not null,
          primary key (token_sha256, annotator_id)
        ) strict, without rowid;
        create table invite(
          id integer primary key,
          token_sha256 text not null unique,
          role text not null check (role in ('annotator', 'admin')),
          made_by integer references annotator(id),
          created_at integer not null,
          expires_at integer not null,
          spent_at integer,
          spent_by integer references annotator(id),
          check ((spent_at is null) = (spent_by is null))
        ) strict;
    """)


@STEPS()
def decisions(db: sqlite_utils.Database) -> None:
    """What was decided on a version, and why; a round can end with a version that waits, or that was refused.

    The round table is made anew, since the states it may have change; foreign keys are off while steps run.
    """
    db.executescript("""
        create table round_anew(
          id integer primary key,
          state text not null check
            (state in ('queued', 'training', 'swapping', 'waiting', 'promoted', 'refused', 'failed', 'cancelled')),
          reason text,
          config text not null check (json_valid(config)),
          counts text not null check (json_valid(counts)),
          started_by integer references annotator(id),
          created_at integer not null,
          ended_at integer,
          flip_rate real,
          check ((ended_at is null) = (state in ('queued', 'training', 'swapping')))
        ) strict;
        insert into round_anew
          select id, state, reason, config, counts, started_by, created_at, ended_at, flip_rate from round;
        drop table round;
        alter table round_anew rename to round;
        create unique index round_one_at_a_time on round((ended_at is null)) where ended_at is null;
        create table decision(
          id integer primary key,
          version_id integer not null references adapter_version(id),
          ruling text not null check (ruling in ('wait', 'try', 'promote', 'refuse', 'roll_back', 'retire')),
          reason text not null,
          numbers text not null check (json_valid(numbers)),
          actor_id integer references annotator(id),
          created_at integer not null
        ) strict;
        create index decision_of_version on decision(version_id);
        create trigger decision_no_update before update on decision begin
          select raise(abort, 'decision is append-only');
        end;
        create trigger decision_no_delete before delete on decision begin
          select raise(abort, 'decision is append-only');
        end;
        create trigger decision_no_replace before insert on decision
          when exists (select 1 from decision where id = new.id) begin
          select raise(abort, 'decision is append-only');
        end;
    """)


@STEPS()
def outbox(db: sqlite_utils.Database) -> None:
    """Messages for other programs that are not delivered yet, and what became of the others."""
    db.executescript("""
        create table outbox(
          id integer primary key,
          key text not null unique,
          address text not null,
          body text not null check (json_valid(body)),
          tries integer not null default 0,
          next_at integer not null,
          created_at integer not null,
          sent_at integer,
          given_up_at integer,
          error text
        ) strict;
        create index outbox_waiting on outbox(next_at) where sent_at is null and given_up_at is null;
    """)


@STEPS()
def triggers(db: sqlite_utils.Database) -> None:
    """What began a round, by which rules it chose, and the digest of what it chose; a round that waits its turn.

    `round.newest_judgment`: the newest judgment there was when it was frozen, whether it used it or not.
    `round.rebuilds_id`: the round whose judgments it took again; `left_out`: what of them it did not.
    """
    db.executescript("""
        alter table round add column cause text not null default 'by hand';
        alter table round add column rules text not null default '{}' check (json_valid(rules));
        alter table round add column sha256 text;
        alter table round add column newest_judgment integer not null default 0;
        update round set newest_judgment =
          (select coalesce(max(judgment_id), 0) from round_judgment where round_id = round.id);
        alter table round add column rebuilds_id integer references round(id);
        alter table round add column left_out text check (left_out is null or json_valid(left_out));
        create table round_request(
          id integer primary key check (id = 1),
          algorithm text,
          asked_by integer references annotator(id),
          created_at integer not null
        ) strict;
    """)
