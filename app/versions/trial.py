"""Decide by people's votes between versions: promote or reject a challenger, roll back a champion that is worse.

Votes are evaluated as they come, which the sequential test allows (data/versions/sequential_test.py).
"""

import asyncio
from dataclasses import dataclass

from app.background.loop import Loop
from app.versions.comparison import Comparison, current_comparison
from app.versions.registry import ModelRegistry
from data.errors import AdapterError
from data.records import Ruling
from data.store import PreferenceStore
from data.versions.comparisons import ComparisonVote, evidence
from data.versions.sequential_test import Evidence, SequentialOutcome

_EVERY_SECONDS = 30.0  # a judgment wakes it
_AGAIN_SECONDS = 2.0  # such as when the winner could not be loaded
_REST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class TrialState:
    """Two versions that are compared, and the votes that count."""

    comparison: Comparison
    votes: tuple[ComparisonVote, ...]

    @property
    def evidence(self) -> Evidence:
        """The evidence of the votes, from the challenger's side."""
        return evidence(self.votes, self.comparison.challenger)


class Trial:
    """Watches the votes between versions.

    roll_back: whether a champion that is worse is rolled back automatically. most_votes: a trial that is undecided
    after this many votes, ties included, ends without a winner.
    """

    def __init__(self, store: PreferenceStore, registry: ModelRegistry, *, roll_back: bool, most_votes: int) -> None:
        self.loop = Loop(
            "deciding on votes", self._step, every=_EVERY_SECONDS, again=_AGAIN_SECONDS, rest=_REST_SECONDS
        )
        self.most_votes = most_votes
        self._store = store
        self._registry = registry
        self._roll_back = roll_back
        self._seen: tuple[object, ...] | None = None

    def match(self) -> TrialState | None:
        """Return the current comparison with its votes; None if no two versions are compared."""
        found = current_comparison(self._store)
        if found is None:
            return None
        votes = self._store.comparisons.between(found.challenger, found.champion, since=found.since)
        return TrialState(found, tuple(votes))

    async def _step(self) -> None:
        """Decide, if anything that a decision depends on has changed."""
        now = await asyncio.to_thread(self._state)
        if now != self._seen:
            self._seen = None  # so that it is tried again after a failure
            await self.decide()
            self._seen, self.loop.last_error = now, None

    async def decide(self) -> None:
        """Decide the current comparison, if its votes settle it or there are too many that do not.

        Raises as ModelRegistry does, including ConflictError if the comparison changed in the meantime.
        """
        match = await asyncio.to_thread(self.match)
        if match is None:
            return
        if match.comparison.trial:
            await self._end(match)
        elif match.evidence.outcome is SequentialOutcome.WORSE and self._roll_back:
            await self._registry.roll_back(
                reason=_words(match), numbers=_numbers(match), premise=lambda: self._still(match)
            )

    async def _end(self, match: TrialState) -> None:
        """End a trial that is decided; a winning challenger that cannot be served is left to an admin."""
        match match.evidence.outcome:
            case SequentialOutcome.BETTER:
                try:
                    await self._registry.promote(
                        match.comparison.challenger,
                        reason=_words(match),
                        numbers=_numbers(match),
                        premise=lambda: self._still(match),
                    )
                except AdapterError as error:
                    await self._rule(match, Ruling.WAIT, f"{_words(match)}, but: {error}")
            case SequentialOutcome.WORSE:
                await self._rule(match, Ruling.REFUSE, _words(match))
            case SequentialOutcome.OPEN if len(match.votes) >= self.most_votes:
                words = f"not settled after {len(match.votes)} votes; {match.comparison.champion} stays"
                await self._rule(match, Ruling.WAIT, words)

    async def _rule(self, match: TrialState, ruling: Ruling, reason: str) -> None:
        await self._registry.rule(
            match.comparison.challenger,
            ruling,
            reason=reason,
            numbers=_numbers(match),
            premise=lambda: self._still(match),
        )

    def _still(self, match: TrialState) -> bool:
        """Return whether the same two are still compared: an admin may have decided on one of them meanwhile."""
        return current_comparison(self._store) == match.comparison

    def _state(self) -> tuple[object, ...]:
        """Return everything a decision can depend on; while it is unchanged, there is nothing new to decide."""
        standing = tuple(quarantine.annotator_id for quarantine in self._store.quarantines.in_force())
        return self._store.judgments.last_id(), current_comparison(self._store), standing


def _words(match: TrialState) -> str:
    found = match.evidence
    return f"it won {found.wins} of {found.votes} votes against {match.comparison.champion}"


def _numbers(match: TrialState) -> dict[str, float | int | str | None]:
    found = match.evidence
    low, high = found.interval()
    return {
        "against": match.comparison.champion,
        "since": match.comparison.since,
        "wins": found.wins,
        "losses": found.losses,
        "undecided": len(match.votes) - found.votes,
        "win_rate": found.win_rate,
        "low": low,
        "high": high,
        "better": found.better,
        "worse": found.worse,
    }
