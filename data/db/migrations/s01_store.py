"""The store as it began: people, prompts, versions, rounds, pairs, leases, judgments and snapshots."""

import sqlite_utils

from data.db.migrations.steps import STEPS


@STEPS()
def people(db: sqlite_utils.Database) -> None:
    """Annotators by pseudonym; who they are stands apart, so that it can be erased alone."""
    db.executescript("""
        create table annotator(
          id integer primary key,
          pseudonym text not null unique,
          role text not null check (role in ('annotator', 'admin')),
          created_at integer not null
        ) strict;
        create table annotator_identity(
          annotator_id integer primary key references annotator(id),
          login text not null unique collate nocase,
          password_hash text
        ) strict;
        create table session(
          token_sha256 text primary key,
          annotator_id integer not null references annotator(id),
          created_at integer not null,
          expires_at integer not null
        ) strict, without rowid;
        create table sign_in_link(
          token_sha256 text primary key,
          annotator_id integer not null references annotator(id),
          created_at integer not null,
          expires_at integer not null,
          spent_at integer
        ) strict, without rowid;
        create table guideline(
          id integer primary key,
          version text not null unique,
          sha256 text not null,
          body text not null,
          created_at integer not null
        ) strict;
        create table audit(
          id integer primary key,
          actor_id integer references annotator(id),
          action text not null,
          detail text not null check (json_valid(detail)),
          created_at integer not null
        ) strict;
    """)


@STEPS()
def prompts(db: sqlite_utils.Database) -> None:
    """Conversations; `pairs` counts those made of one, kept by a trigger of the pair table."""
    db.executescript("""
        create table prompt(
          id integer primary key,
          messages text not null check (json_valid(messages)),
          sha256 text not null unique,
          split text not null check (split in ('train', 'heldout')),
          source text not null,
          license text,
          pairs integer not null default 0,
          created_at integer not null
        ) strict;
        create index prompt_next on prompt(pairs, sha256);
        create index prompt_split on prompt(split, sha256);
    """)


@STEPS()
def versions_and_rounds(db: sqlite_utils.Database) -> None:
    """Adapter versions, the rounds that made them, and which of them served when."""
    db.executescript("""
        create table round(
          id integer primary key,
          state text not null check
            (state in ('queued', 'training', 'swapping', 'promoted', 'failed', 'cancelled')),
          reason text,
          config text not null check (json_valid(config)),
          counts text not null check (json_valid(counts)),
          started_by integer references annotator(id),
          created_at integer not null,
          ended_at integer,
          check ((ended_at is not null) = (state in ('promoted', 'failed', 'cancelled')))
        ) strict;
        create unique index round_one_at_a_time on round((ended_at is null)) where ended_at is null;
        create table adapter_version(
          id integer primary key,
          name text not null unique,
          base_model text not null,
          base_revision text not null,
          parent_id integer references adapter_version(id),
          round_id integer references round(id),
          sha256 text,
          created_at integer not null,
          check ((parent_id is null) = (sha256 is null))
        ) strict;
        create table serving_event(
          id integer primary key,
          version_id integer not null references adapter_version(id),
          action text not null check (action in ('install', 'promote', 'rollback')),
          actor_id integer references annotator(id),
          reason text not null,
          created_at integer not null
        ) strict;
    """)


@STEPS()
def pairs(db: sqlite_utils.Database) -> None:
    """Completions and pairs; the partial indexes hold only pairs still to be judged.

    `pair.judged` counts the standing judgments that fill it, kept by a trigger of the judgment table:
    counting them afresh for 100,000 full pairs would make the next pair slow.
    """
    db.executescript("""
        create table completion(
          id integer primary key,
          prompt_id integer not null references prompt(id),
          version_id integer not null references adapter_version(id),
          text text not null,
          token_ids text not null check (json_valid(token_ids)),
          logprobs text not null check (json_valid(logprobs)),
          finish_reason text not null check (finish_reason in ('stop', 'length')),
          sampling text not null check (json_valid(sampling)),
          seed integer not null,
          created_at integer not null,
          sha256 text not null
        ) strict;
        create table pair(
          id integer primary key,
          prompt_id integer not null references prompt(id),
          completion_a_id integer not null references completion(id),
          completion_b_id integer not null references completion(id),
          version_id integer not null references adapter_version(id),
          purpose text not null default 'train' check (purpose in ('train', 'eval', 'gold', 'reask')),
          strategy text not null,
          propensity real,
          priority real not null default 0,
          target_judgments integer not null check (target_judgments > 0),
          judged integer not null default 0,
          withdrawn_at integer,
          created_at integer not null,
          check (completion_a_id <> completion_b_id)
        ) strict;
        create index pair_open on pair(priority desc, id)
          where judged < target_judgments and withdrawn_at is null;
        create index pair_open_of_version on pair(version_id, priority desc, id)
          where judged < target_judgments and withdrawn_at is null;
        create trigger pair_counts_on_prompt after insert on pair begin
          update prompt set pairs = pairs + 1 where id = new.prompt_id;
        end;
    """)


@STEPS()
def leases(db: sqlite_utils.Database) -> None:
    """Pairs lent to people; a person holds one at most, so that a reload shows the same."""
    db.executescript("""
        create table lease(
          id integer primary key,
          pair_id integer not null references pair(id),
          annotator_id integer not null references annotator(id),
          token text not null unique,
          swapped integer not null check (swapped in (0, 1)),
          leased_at integer not null,
          expires_at integer not null,
          released_at integer
        ) strict;
        create unique index lease_held on lease(annotator_id) where released_at is null;
        create index lease_held_of_pair on lease(pair_id) where released_at is null;
        create index lease_of_annotator on lease(annotator_id);
    """)


@STEPS()
def judgments(db: sqlite_utils.Database) -> None:
    """Judgments, append-only: a row is taken back or replaced by a later row that supersedes it.

    The third trigger is there because REPLACE deletes rows without firing a delete trigger on
    connections that have not asked for recursive triggers.
    """
    db.executescript("""
        create table judgment(
          id integer primary key,
          pair_id integer not null references pair(id),
          annotator_id integer not null references annotator(id),
          lease_id integer not null references lease(id),
          idempotency_key text unique,
          choice text not null check (choice in ('a', 'b', 'tie', 'both_bad', 'skip', 'retracted')),
          strength integer check (strength between 1 and 3),
          swapped integer not null check (swapped in (0, 1)),
          elapsed_ms integer,
          supersedes_id integer unique references judgment(id),
          created_at integer not null,
          sha256 text not null,
          check (strength is null or choice in ('a', 'b')),
          check ((choice = 'retracted') = (idempotency_key is null)),
          check (choice <> 'retracted' or supersedes_id is not null)
        ) strict;
        create unique index judgment_once on judgment(pair_id, annotator_id) where supersedes_id is null;
        create unique index judgment_of_lease on judgment(lease_id) where choice <> 'retracted';
        create index judgment_of_pair on judgment(pair_id, annotator_id);
        create index judgment_of_annotator on judgment(annotator_id);
        create view current_judgment as
          select * from judgment j where choice <> 'retracted'
          and not exists (select 1 from judgment s where s.supersedes_id = j.id);

        create trigger judgment_no_update before update on judgment begin
          select raise(abort, 'judgment is append-only');
        end;
        create trigger judgment_no_delete before delete on judgment begin
          select raise(abort, 'judgment is append-only');
        end;
        create trigger judgment_no_replace before insert on judgment
          when exists (select 1 from judgment where id = new.id
            or idempotency_key = new.idempotency_key or supersedes_id = new.supersedes_id
            or (lease_id = new.lease_id and choice <> 'retracted' and new.choice <> 'retracted')
            or (pair_id = new.pair_id and annotator_id = new.annotator_id
                and supersedes_id is null and new.supersedes_id is null)) begin
          select raise(abort, 'judgment is append-only');
        end;
        create trigger judgment_supersedes_own before insert on judgment
          when new.supersedes_id is not null and not exists (
            select 1 from judgment where id = new.supersedes_id
            and pair_id = new.pair_id and annotator_id = new.annotator_id) begin
          select raise(abort, 'a judgment supersedes only one of the same pair and annotator');
        end;
        create trigger judgment_fills_pair after insert on judgment begin
          update pair set judged = judged + (new.choice not in ('skip', 'retracted'))
            - coalesce((select choice not in ('skip', 'retracted') from judgment
                        where id = new.supersedes_id), 0)
          where id = new.pair_id;
        end;
    """)


@STEPS()
def snapshots(db: sqlite_utils.Database) -> None:
    """The judgments each round used, frozen."""
    db.executescript("""
        create table round_judgment(
          round_id integer not null references round(id),
          judgment_id integer not null references judgment(id),
          role text not null check (role in ('train', 'heldout')),
          primary key (round_id, judgment_id)
        ) strict, without rowid;
        create trigger round_judgment_no_update before update on round_judgment begin
          select raise(abort, 'a snapshot is frozen');
        end;
        create trigger round_judgment_no_delete before delete on round_judgment begin
          select raise(abort, 'a snapshot is frozen');
        end;
        create trigger round_judgment_no_replace before insert on round_judgment
          when exists (select 1 from round_judgment
            where round_id = new.round_id and judgment_id = new.judgment_id) begin
          select raise(abort, 'a snapshot is frozen');
        end;
    """)
