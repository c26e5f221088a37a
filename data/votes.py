"""Votes as the rule of selection.py takes them, read from the judgments that stand now or that a round froze.

Knows nothing of what becomes of them.
"""

from collections.abc import Iterable

from data.database import Row
from data.quality.flips import flip_rate
from data.quarantines import IN_FORCE
from data.records import Choice, Flag, Split
from data.selection import Vote

BARRING_FLAGS = ", ".join(f"'{flag}'" for flag in Flag if flag.bars)
"""SQL: the flags that bar."""


def barred(*, quarantined: str, flagged: str) -> str:
    """SQL: why a judgment j on a pair may not count, null if it may.

    quarantined: the annotators who were in quarantine; flagged: whether the pair, or what j follows, was flagged.
    """
    return f"""
    case
      when pair.purpose <> 'train' then pair.purpose
      when j.annotator_id in {quarantined} then 'quarantined'
      when {flagged} then 'flagged'
    end
"""


BARRED = barred(
    quarantined=IN_FORCE,
    flagged=f"""exists (select 1 from current_judgment f where f.flag in ({BARRING_FLAGS})
        and (f.pair_id = j.pair_id or f.id = j.follows_id))""",
)
"""SQL: why a judgment j on a pair may not count now, null if it may."""

SAME_AS = "min(j.pair_id) over (partition by pair.prompt_id, min(a.text, b.text), max(a.text, b.text))"
"""SQL: a number that pairs with the same prompt and the same two answers a and b share."""

CURRENT = f"""
    select j.id, j.pair_id, j.choice, j.strength, prompt.split, {SAME_AS} as same_as, {BARRED} as barred
    from current_judgment j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id
    join completion a on a.id = pair.completion_a_id join completion b on b.id = pair.completion_b_id
"""
FROZEN = """
    select j.id, j.pair_id, j.choice, j.strength, r.role as split, null as same_as, null as barred
    from round_judgment r join judgment j on j.id = r.judgment_id where r.round_id = ?
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
