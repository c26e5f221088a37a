"""Add prompts and answers to a selection, as the trainer needs them."""

from collections.abc import Sequence

from data.annotation.pairs import Pairs
from data.records import Choice, Pair, Preference, Snapshot, Split
from data.rounds.selection import PairOutcome, Selection


def snapshot_of(pairs: Pairs, selection: Selection, rate: float | None) -> Snapshot:
    """Return a selection as a snapshot; rate: the flip rate."""
    bad = pairs.by_ids(bad.pair_id for bad in selection.both_bad)
    return Snapshot(
        train=preferences_of(pairs, selection.of(Split.TRAIN)),
        heldout=preferences_of(pairs, selection.of(Split.HELDOUT)),
        excluded=selection.excluded,
        both_bad=tuple(bad[pair.pair_id] for pair in selection.both_bad),
        flip_rate=rate,
    )


def preferences_of(pairs: Pairs, decisions: Sequence[PairOutcome]) -> tuple[Preference, ...]:
    """Return decisions with their prompts and answers, in the same order."""
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
