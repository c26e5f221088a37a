"""Votes as the rule of selection.py takes them, read from the judgments that stand now or that a round froze.

Knows nothing of what becomes of them.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict

from data.database import Row
from data.quality.flips import flip_rate
from data.quarantines import IN_FORCE
from data.records import Choice, Flag, Split, Without
from data.selection import Vote

_BARRING_FLAGS = ", ".join(f"'{flag}'" for flag in Flag if flag.bars)
BARRED = f"""
    case
      when pair.purpose <> 'train' then pair.purpose
      when j.annotator_id in {IN_FORCE} then 'quarantined'
      when exists (select 1 from current_judgment f where f.flag in ({_BARRING_FLAGS})
        and (f.pair_id = j.pair_id or f.id = j.follows_id)) then 'flagged'
    end
"""
"""SQL: why a judgment j on a pair may not count, null if it may."""

CURRENT = f"""
    select j.id, j.pair_id, j.choice, j.strength, prompt.split,
      min(j.pair_id) over (partition by pair.prompt_id, min(a.text, b.text), max(a.text, b.text)) as same_as,
      {BARRED} as barred
    from current_judgment j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id
    join completion a on a.id = pair.completion_a_id join completion b on b.id = pair.completion_b_id
"""
FROZEN = """
    select j.id, j.pair_id, j.choice, j.strength, r.role as split, null as same_as, null as barred
    from round_judgment r join judgment j on j.id = r.judgment_id where r.round_id = ?
"""
FROZEN_WITHOUT = """
    select j.id, j.pair_id, j.choice, j.strength, r.role as split, null as same_as, case
      when j.annotator_id in (select value from json_each(:annotators)) then 'without'
      when prompt.source in (select value from json_each(:sources)) then 'without' end as barred
    from round_judgment r join judgment j on j.id = r.judgment_id join pair on pair.id = j.pair_id
    join prompt on prompt.id = pair.prompt_id where r.round_id = :round
"""


def flip_rate_of(votes: Iterable[Vote]) -> float | None:
    """How often a vote that counts is flipped; None while it is not known."""
    return flip_rate(vote for vote in votes if not vote.barred)


def votes_in(rows: Iterable[Row]) -> list[Vote]:
    """The votes that one of the queries above found."""
    return [
        Vote(
            row["id"],
            row["pair_id"],
            Choice(row["choice"]),
            row["strength"],
            Split(row["split"]),
            barred=row["barred"],
            same_as=row["same_as"],
        )
        for row in rows
    ]


def left_out(round_id: int, without: Without) -> dict[str, object]:
    """What FROZEN_WITHOUT wants to know."""
    return {"round": round_id, **{key: json.dumps(value) for key, value in asdict(without).items()}}
