"""Imports and exports."""

import sqlite_utils

from data.db.migrations.steps import STEPS


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
