"""What people decide between versions: a challenger takes over or is refused, a champion that proves worse goes.

Votes are looked at as they come; the evidence allows that (data/evidence.py). Knows nothing of who votes, nor of how
their pairs are made.
"""

import asyncio
from dataclasses import dataclass

from app.adapters import Adapters
from data.contests import Contest, evidence
from data.errors import AdapterError, PrefloopError
from data.evidence import Evidence, Outcome
from data.records import Ruling
from data.store import PreferenceStore

_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Match:
    """A challenger against a champion, and the votes since it began. trial: whether it decides who serves.

    Without a trial the challenger is the version that serves, measured against the one before it.
    """

    challenger: str
    champion: str
    trial: bool
    votes: tuple[Contest, ...]

    @property
    def evidence(self) -> Evidence:
        """What the votes come to, for the challenger."""
        return evidence(self.votes, self.challenger)


class Trial:
    """Watches the votes between versions. roll_back: whether a champion that proves worse is taken back by itself."""

    def __init__(self, store: PreferenceStore, adapters: Adapters, *, roll_back: bool) -> None:
        self.trouble: str | None = None
        self._store = store
        self._adapters = adapters
        self._roll_back = roll_back

    def match(self) -> Match | None:
        """The match that runs: the trial, else what serves against what served before; None if neither is there."""
        history = self._store.versions.serving_history()
        if not history:
            return None
        serving, tried = history[-1], self._store.decisions.tried()
        if tried is not None and tried.version != serving.version:
            return self._between(tried.version, serving.version, trial=True, since=tried.created_at)
        before = [event.version for event in history if event.version != serving.version]
        if not before:
            return None
        return self._between(serving.version, before[-1], trial=False, since=serving.created_at)

    async def run(self) -> None:
        """Decide as votes come in, until cancelled. What cannot be done is kept in `trouble`."""
        seen = None
        while True:
            now = await asyncio.to_thread(self._state)
            if now != seen:
                seen = now
                try:
                    await self.look()
                    self.trouble = None
                except PrefloopError as error:
                    self.trouble, seen = str(error), None  # looked at again: it may be for the time being
            await asyncio.sleep(_EVERY_SECONDS)

    async def look(self) -> None:
        """Decide the match that runs, if its votes settle it."""
        match = await asyncio.to_thread(self.match)
        if match is None or match.evidence.outcome is Outcome.OPEN:
            return
        if match.trial:
            await self._end(match)
        elif match.evidence.outcome is Outcome.WORSE and self._roll_back:
            await self._adapters.roll_back(reason=_words(match), numbers=_numbers(match))

    async def _end(self, match: Match) -> None:
        """End a trial; a challenger that won but cannot be served is left to an admin."""
        name, reason, numbers = match.challenger, _words(match), _numbers(match)
        if match.evidence.outcome is Outcome.WORSE:
            await self._adapters.rule(name, Ruling.REFUSE, reason=reason, numbers=numbers)
            return
        try:
            await self._adapters.promote(name, reason=reason, numbers=numbers)
        except AdapterError as error:
            await self._adapters.rule(name, Ruling.WAIT, reason=f"{reason}, but: {error}", numbers=numbers)

    def _between(self, challenger: str, champion: str, *, trial: bool, since: int) -> Match:
        votes = self._store.contests.between(challenger, champion, since=since)
        return Match(challenger, champion, trial, tuple(votes))

    def _state(self) -> tuple[object, ...]:
        """What a decision can depend on; as long as it is the same, there is nothing new to decide."""
        tried = self._store.decisions.tried()
        champion = self._store.versions.champion()
        standing = tuple(quarantine.annotator_id for quarantine in self._store.quarantines.in_force())
        return self._store.judgments.last_id(), tried and tried.id, champion and champion.name, standing


def _words(match: Match) -> str:
    found = match.evidence
    return f"it won {found.wins} of {found.votes} votes against {match.champion}"


def _numbers(match: Match) -> dict[str, float | int | str | None]:
    found = match.evidence
    low, high = found.interval()
    return {
        "against": match.champion,
        "wins": found.wins,
        "losses": found.losses,
        "win_rate": found.win_rate,
        "low": low,
        "high": high,
        "better": found.better,
        "worse": found.worse,
    }
