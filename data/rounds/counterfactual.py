"""What a frozen round would have selected without some of the judgments that were current at that time.

Judgments are only ever added, so the past state can be restored: current were those up to the round's newest that none
up to there had superseded. What barred them can be restored, too. rounds.py uses it to rebuild rounds.
"""

import json
from dataclasses import asdict
from typing import Any

from data.barring.barring import BARRING_FLAGS, Barring, Reading
from data.barring.quarantines import in_force_at
from data.db.database import Moment
from data.records import Round, RoundState, Without
from data.rounds.flip_rate import flip_rate
from data.rounds.selection import Selection, select
from data.rounds.selection_rules import SelectionRules
from data.rounds.vote_table import VoteTable

TOO_FAST = "too_fast"
"""The key in a round's rules for Barring.too_fast."""

_THEN = Reading(quarantined=in_force_at("(select created_at from frozen)"), flagged="(select id, pair_id from flagged)")
_STOOD = f"""
    with frozen as (select * from round where id = :round),
    used as (select judgment_id as id from round_judgment where round_id = :round),
    stood as (
      select j.* from judgment j, frozen where j.id in used
      or (frozen.sha256 is not null and j.id <= frozen.newest_judgment and j.choice <> 'retracted' and not exists (
        select 1 from judgment s where s.supersedes_id = j.id and s.id <= frozen.newest_judgment))
    ),
    flagged as (select id, pair_id from stood where flag in ({BARRING_FLAGS}))
    select j.id, j.pair_id, j.choice, j.strength, prompt.split, pair.same_as, coalesce(
      case when j.id not in used then {{barred}} end,
      case when j.annotator_id in (select value from json_each(:annotators))
        or prompt.source in (select value from json_each(:sources)) then 'without' end) as barred
    from stood j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id
"""
"""What a round used was not barred, whatever the times of quarantines say. A round without a digest is of an older
prefloop, which did not store its newest judgment: only the judgments it used are known."""

WITH_A_VERSION = str(tuple(state.value for state in RoundState if state.made_version))
"""SQL list of the states of rounds that made a version."""
_SINCE = f"""
    select coalesce(max(newest_judgment), 0) as newest from round
    where rebuilds_id is null and state in {WITH_A_VERSION}
    and id < :round and ended_at <= (select created_at from round where id = :round)
"""
"""Only rounds that had ended by then: a failed round that was resumed later had made no version yet."""


def taken_again(moment: Moment, before: Round, without: Without) -> tuple[Selection, float | None]:
    """Return what a round would have selected without these judgments, by its own rules, and the flip rate.

    The rate is measured on what is left; where that is too little, or not known, it is the round's own.
    """
    rules, barring = rules_of(before)
    stood = _STOOD.format(barred=barring.barred(_THEN))
    votes = VoteTable.read(moment.in_chunks(stood, {"round": before.id, **left_out(without)}))
    selection = select(votes, rules, since=moment.value(_SINCE, {"round": before.id}))
    measured = None if before.sha256 is None else flip_rate(votes.counting)
    return selection, before.flip_rate if measured is None else measured


def left_out(without: Without) -> dict[str, str]:
    """Return annotators and sources as JSON lists, as parameters for SQL."""
    return {key: json.dumps(value) for key, value in asdict(without).items()}


def rules_of(entry: Round) -> tuple[SelectionRules, Barring]:
    """Return a round's selection rules and barring; rounds of an older prefloop barred nothing as too fast."""
    kept: dict[str, Any] = dict(entry.rules)
    barring = Barring(kept.pop(TOO_FAST, 0.0))
    return SelectionRules(**kept), barring
