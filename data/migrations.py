"""The tables, one function a step; steps that have run anywhere are never edited, only added to.

Tables that say what people decided are append-only by triggers, on every connection. `transform()`
of sqlite-utils silently drops triggers: a step that uses it on such a table must make them again.
Knows nothing of the records the rows become.
"""

from contextlib import closing

import sqlite_utils
from sqlite_utils import Migrations

STEPS = Migrations("prefloop")


def unknown_steps(db: sqlite_utils.Database) -> list[str]:
    """The steps the file has that this program does not know: a newer one made them."""
    with closing(sqlite_utils.Database(memory=True)) as empty:
        known = {step.name for step in STEPS.pending(empty)}
    return [step.name for step in STEPS.applied(db) if step.name not in known]


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


@STEPS()
def flip_rates(db: sqlite_utils.Database) -> None:
    """How often votes were flipped when a round was frozen, as measured then."""
    db.execute("alter table round add column flip_rate real")


@STEPS()
def written_completions(db: sqlite_utils.Database) -> None:
    """A completion is sampled by a version, or written by a person who edited one that was.

    The table is made anew, since its columns may now be empty; foreign keys are off while steps run.
    """
    db.executescript("""
        create table completion_anew(
          id integer primary key,
          prompt_id integer not null references prompt(id),
          version_id integer references adapter_version(id),
          text text not null,
          token_ids text check (token_ids is null or json_valid(token_ids)),
          logprobs text check (logprobs is null or json_valid(logprobs)),
          finish_reason text check (finish_reason in ('stop', 'length')),
          sampling text check (sampling is null or json_valid(sampling)),
          seed integer,
          author_id integer references annotator(id),
          edits_id integer references completion(id),
          created_at integer not null,
          sha256 text not null,
          check ((version_id is null) = (author_id is not null)),
          check (edits_id is null or author_id is not null),
          check (version_id is null or (token_ids is not null and logprobs is not null
            and finish_reason is not null and sampling is not null and seed is not null))
        ) strict;
        insert into completion_anew
          select id, prompt_id, version_id, text, token_ids, logprobs, finish_reason, sampling, seed,
            null, null, created_at, sha256 from completion;
        drop table completion;
        alter table completion_anew rename to completion;
    """)


@STEPS()
def conversations(db: sqlite_utils.Database) -> None:
    """Prompts that annotators write, from nothing or after an answer they chose; prompts can be retired."""
    db.executescript("""
        alter table prompt add column author_id integer references annotator(id);
        alter table prompt add column continues_id integer references pair(id);
        alter table prompt add column retired_at integer;
    """)


@STEPS()
def remarks(db: sqlite_utils.Database) -> None:
    """What a judgment says besides its choice, and the guideline it was given under.

    `follows_id`: the judgment whose edit brought this one on the edited answer along, from the same lease.
    `content_version` says which columns the row's sha256 covers.
    """
    db.executescript("""
        alter table guideline add column translations text not null default '{}' check (json_valid(translations));
        alter table judgment add column reasons text check (reasons is null or json_valid(reasons));
        alter table judgment add column comment text;
        alter table judgment add column flag text check (flag in ('broken_prompt', 'personal_data', 'unsafe'));
        alter table judgment add column guideline_id integer references guideline(id);
        alter table judgment add column follows_id integer references judgment(id);
        alter table judgment add column content_version integer not null default 1;
        create unique index judgment_followed on judgment(follows_id) where follows_id is not null;
        create index judgment_flagged on judgment(pair_id) where flag is not null;
        drop index judgment_of_lease;
        create unique index judgment_of_lease on judgment(lease_id) where choice <> 'retracted' and follows_id is null;
        drop trigger judgment_no_replace;
        create trigger judgment_no_replace before insert on judgment
          when exists (select 1 from judgment where id = new.id
            or idempotency_key = new.idempotency_key or supersedes_id = new.supersedes_id
            or follows_id = new.follows_id
            or (lease_id = new.lease_id and choice <> 'retracted' and new.choice <> 'retracted'
                and follows_id is null and new.follows_id is null)
            or (pair_id = new.pair_id and annotator_id = new.annotator_id
                and supersedes_id is null and new.supersedes_id is null)) begin
          select raise(abort, 'judgment is append-only');
        end;
        alter table lease add column guideline_id integer references guideline(id);
        alter table lease add column changes_id integer references judgment(id);
    """)


@STEPS()
def purposes(db: sqlite_utils.Database) -> None:
    """Gold pairs, hidden re-asks, what the queue drew by, and annotators whose judgments do not count.

    `pair.repeats_id`: the pair with the same answers that this one asks again; `pair.margin`: the champion's implicit
    reward of a less that of b, in nats, when the pair was made. Pairs that nobody has judged are indexed apart from
    those that want another judgment: each search walks only its own.
    """
    db.executescript("""
        alter table pair add column repeats_id integer references pair(id);
        alter table pair add column for_annotator_id integer references annotator(id);
        alter table pair add column margin real;
        create index pair_repeats on pair(repeats_id, for_annotator_id) where repeats_id is not null;
        create index pair_for_one on pair(for_annotator_id) where for_annotator_id is not null;
        drop index pair_open;
        drop index pair_open_of_version;
        create index pair_fresh on pair(purpose, priority desc, id) where judged = 0 and withdrawn_at is null;
        create index pair_fresh_of_version on pair(purpose, version_id, priority desc, id)
          where judged = 0 and withdrawn_at is null;
        create index pair_half on pair(priority desc, id) where judged > 0 and judged < target_judgments
          and withdrawn_at is null and purpose = 'train';
        create index pair_half_of_version on pair(version_id, priority desc, id) where judged > 0
          and judged < target_judgments and withdrawn_at is null and purpose = 'train';
        alter table lease add column strategy text;
        alter table lease add column propensity real;
        create table gold(
          pair_id integer primary key references pair(id),
          choice text not null check (choice in ('a', 'b', 'tie', 'both_bad')),
          explanation text not null,
          made_by integer references annotator(id),
          created_at integer not null,
          retired_at integer
        ) strict;
        create table quarantine(
          id integer primary key,
          annotator_id integer not null references annotator(id),
          reason text not null,
          made_by integer references annotator(id),
          created_at integer not null,
          lifted_by integer references annotator(id),
          lifted_at integer
        ) strict;
        create unique index quarantine_in_force on quarantine(annotator_id) where lifted_at is null;
    """)


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


@STEPS()
def imports_and_exports(db: sqlite_utils.Database) -> None:
    """What came from files and what went into them; answers and pairs that no version here has sampled.

    `completion.import_id`: the import that brought an answer, `model`: what made it, as the file says. An imported
    pair is of no version; `pair.imported_sha256` is the digest of its prompt and answers, so that it is there once.
    `imported_annotator`: who in a file is which annotator here. Both tables are made anew, since columns may now be
    empty; with them go the triggers that name them. Foreign keys are off while steps run.
    """
    db.executescript("""
        create index judgment_of_digest on judgment(sha256);
        create index round_judgment_of_judgment on round_judgment(judgment_id);
        create table import(
          id integer primary key,
          kind text not null check (kind in ('prompts', 'preferences')),
          name text not null,
          sha256 text not null,
          container text not null,
          format text,
          source text not null,
          license text,
          state text not null check (state in ('running', 'done', 'broken_off')),
          position integer not null default 0,
          counts text not null check (json_valid(counts)),
          reason text,
          started_by integer references annotator(id),
          created_at integer not null,
          ended_at integer,
          check ((ended_at is null) = (state = 'running'))
        ) strict;
        create table imported_annotator(
          source text not null,
          name text not null,
          annotator_id integer not null references annotator(id),
          primary key (source, name)
        ) strict, without rowid;
        create table export(
          id integer primary key,
          request text not null check (json_valid(request)),
          format text not null,
          container text not null,
          sha256 text not null,
          counts text not null check (json_valid(counts)),
          guideline_id integer references guideline(id),
          software text not null,
          made_by integer references annotator(id),
          created_at integer not null
        ) strict;

        create table completion_anew(
          id integer primary key,
          prompt_id integer not null references prompt(id),
          version_id integer references adapter_version(id),
          text text not null,
          token_ids text check (token_ids is null or json_valid(token_ids)),
          logprobs text check (logprobs is null or json_valid(logprobs)),
          finish_reason text check (finish_reason in ('stop', 'length')),
          sampling text check (sampling is null or json_valid(sampling)),
          seed integer,
          author_id integer references annotator(id),
          edits_id integer references completion(id),
          import_id integer references import(id),
          model text,
          created_at integer not null,
          sha256 text not null,
          check ((version_id is not null) + (author_id is not null) + (import_id is not null) = 1),
          check (edits_id is null or author_id is not null),
          check (model is null or import_id is not null),
          check (version_id is null or (token_ids is not null and logprobs is not null
            and finish_reason is not null and sampling is not null and seed is not null))
        ) strict;
        insert into completion_anew
          select id, prompt_id, version_id, text, token_ids, logprobs, finish_reason, sampling, seed,
            author_id, edits_id, null, null, created_at, sha256 from completion;
        drop table completion;
        alter table completion_anew rename to completion;

        drop trigger judgment_fills_pair;
        create table pair_anew(
          id integer primary key,
          prompt_id integer not null references prompt(id),
          completion_a_id integer not null references completion(id),
          completion_b_id integer not null references completion(id),
          version_id integer references adapter_version(id),
          purpose text not null default 'train' check (purpose in ('train', 'eval', 'gold', 'reask')),
          strategy text not null,
          propensity real,
          priority real not null default 0,
          target_judgments integer not null check (target_judgments > 0),
          judged integer not null default 0,
          withdrawn_at integer,
          created_at integer not null,
          repeats_id integer references pair(id),
          for_annotator_id integer references annotator(id),
          margin real,
          imported_sha256 text unique,
          check (completion_a_id <> completion_b_id),
          check ((version_id is null) = (imported_sha256 is not null)),
          check (imported_sha256 is null or withdrawn_at is not null)
        ) strict;
        insert into pair_anew
          select id, prompt_id, completion_a_id, completion_b_id, version_id, purpose, strategy, propensity, priority,
            target_judgments, judged, withdrawn_at, created_at, repeats_id, for_annotator_id, margin, null from pair;
        drop table pair;
        alter table pair_anew rename to pair;
        create index pair_of_prompt on pair(prompt_id);
        create index pair_repeats on pair(repeats_id, for_annotator_id) where repeats_id is not null;
        create index pair_for_one on pair(for_annotator_id) where for_annotator_id is not null;
        create index pair_fresh on pair(purpose, priority desc, id) where judged = 0 and withdrawn_at is null;
        create index pair_fresh_of_version on pair(purpose, version_id, priority desc, id)
          where judged = 0 and withdrawn_at is null;
        create index pair_half on pair(priority desc, id) where judged > 0 and judged < target_judgments
          and withdrawn_at is null and purpose = 'train';
        create index pair_half_of_version on pair(version_id, priority desc, id) where judged > 0
          and judged < target_judgments and withdrawn_at is null and purpose = 'train';
        create trigger pair_counts_on_prompt after insert on pair begin
          update prompt set pairs = pairs + 1 where id = new.prompt_id;
        end;
        create trigger judgment_fills_pair after insert on judgment begin
          update pair set judged = judged + (new.choice not in ('skip', 'retracted'))
            - coalesce((select choice not in ('skip', 'retracted') from judgment
                        where id = new.supersedes_id), 0)
          where id = new.pair_id;
        end;
    """)


@STEPS()
def bad_rows_of_the_last_chunk(db: sqlite_utils.Database) -> None:
    """`import.bad_rows`: the rows that were left out of the last chunk, [number, reason] each.

    They are kept with the chunk, in one transaction, until the next: what writes them to a file may be killed on the
    way, and can make up for it then.
    """
    db.execute("alter table import add column bad_rows text not null default '[]' check (json_valid(bad_rows))")


@STEPS()
def reasoning(db: sqlite_utils.Database) -> None:
    """`completion.reasoning`: what a model thought before its answer, told apart from it, and how many tokens.

    Null where there is none; such a row keeps its digest. The number is null, too, where nobody counted.
    """
    db.execute("alter table completion add column reasoning text")
    db.execute("alter table completion add column reasoning_tokens integer check (reasoning_tokens >= 0)")


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


@STEPS()
def base_license(db: sqlite_utils.Database) -> None:
    """`adapter_version.base_license`: the licence found beside the base model, and where; null where none was.

    Of the version "base" alone, and as of the last start.
    """
    db.execute("alter table adapter_version add column base_license text")


@STEPS()
def session_makers(db: sqlite_utils.Database) -> None:
    """`session.maker_sha256`: the digest of the token that made this one, to end it with; null where none did.

    No id: that of a session that has ended may be given again.
    """
    db.execute("alter table session add column maker_sha256 text")


@STEPS()
def what_a_pair_compares(db: sqlite_utils.Database) -> None:
    """`pair.length_a`, `length_b`: characters of its answers; `same_as`: the first pair that asks the same.

    The same is the same prompt and answers, whichever side they stand on. Answers never change, so all are kept by a
    trigger: to read all texts again took seconds of each look at a round.
    """
    db.executescript("""
        alter table pair add column length_a integer;
        alter table pair add column length_b integer;
        alter table pair add column same_as integer;
        update pair set
          length_a = (select length(text) from completion where id = completion_a_id),
          length_b = (select length(text) from completion where id = completion_b_id);
        update pair set same_as = alike.first from (
          select p.id, min(p.id) over (partition by p.prompt_id, min(a.text, b.text), max(a.text, b.text)) as first
          from pair p join completion a on a.id = p.completion_a_id join completion b on b.id = p.completion_b_id
        ) alike where alike.id = pair.id;
        drop index pair_half_of_version;
        drop index pair_of_prompt;
        create index pair_of_prompt on pair(prompt_id, length_a + length_b);
        create trigger pair_compares after insert on pair begin
          update pair set
            length_a = (select length(text) from completion where id = new.completion_a_id),
            length_b = (select length(text) from completion where id = new.completion_b_id)
          where id = new.id;
          update pair set same_as = coalesce((
            select p.same_as from pair p
            join completion a on a.id = p.completion_a_id join completion b on b.id = p.completion_b_id
            join completion own_a on own_a.id = new.completion_a_id
            join completion own_b on own_b.id = new.completion_b_id
            where p.prompt_id = new.prompt_id and p.id <> new.id
            and p.length_a + p.length_b = (select length_a + length_b from pair where id = new.id)
            and min(a.text, b.text) = min(own_a.text, own_b.text)
            and max(a.text, b.text) = max(own_a.text, own_b.text) limit 1), new.id)
          where id = new.id;
        end;
    """)
