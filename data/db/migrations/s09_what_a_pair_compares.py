"""Which versions a pair compares."""

import sqlite_utils

from data.db.migrations.steps import STEPS


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
