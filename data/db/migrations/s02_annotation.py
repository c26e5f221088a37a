"""Annotation: flip rates, written completions, conversations, remarks and what a pair is for."""

import sqlite_utils

from data.db.migrations.steps import STEPS


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
