"""SQL for the votes that selection.py takes: the current ones, or those that a round froze.

The columns are those of VoteTable.read.
"""

from data.barring.barring import Barring

FROZEN = """
    select j.id, j.pair_id, j.choice, j.strength, r.role as split, null as same_as, null as barred
    from round_judgment r join judgment j on j.id = r.judgment_id where r.round_id = ?
"""


def current(barring: Barring) -> str:
    """Return SQL for the current votes."""
    return f"""
        select j.id, j.pair_id, j.choice, j.strength, prompt.split, pair.same_as, {barring.barred()} as barred
        from current_judgment j join pair on pair.id = j.pair_id join prompt on prompt.id = pair.prompt_id
    """
