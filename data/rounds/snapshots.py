"""A selection with all it is about: prompts and answers, as a trainer or an export wants them.

Knows nothing of rounds, nor of how it was selected.
"""

from collections.abc import Sequence

from data.annotation.pairs import Pairs
from data.records import Choice, Pair, Preference, Snapshot, Split
from data.rounds.selection import PairOutcome, Selection


def snapshot_of(pairs: Pairs, selection: Selection, rate: float | None) -> Snapshot:
    """A selection as a round is given it; rate: how often a judgment is flipped."""
    bad = pairs.by_ids(bad.pair_id for bad in selection.both_bad)
    return Snapshot(
        train=preferences_of(pairs, selection.of(Split.TRAIN)),
        heldout=preferences_of(pairs, selection.of(Split.HELDOUT)),
        excluded=selection.excluded,
        both_bad=tuple(bad[pair.pair_id] for pair in selection.both_bad),
        flip_rate=rate,
    )


def preferences_of(pairs: Pairs, decisions: Sequence[PairOutcome]) -> tuple[Preference, ...]:
    """Decisions with their prompts and answers, in their order."""
    found = pairs.by_ids(decision.pair_id for decision in decisions)
    return tuple(_preference(found[decision.pair_id], decision) for decision in decisions)


def _preference(pair: Pair, decision: PairOutcome) -> Preference:
    chosen, rejected = (pair.a, pair.b) if decision.winner is Choice.A else (pair.b, pair.a)
    return Preference(
        pair_id=pair.id,
        prompt=pair.prompt,
        chosen=chosen,
        rejected=rejected,
        strength=decision.strength,
        judgment_ids=decision.judgment_ids,
    )
