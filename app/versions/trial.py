"""What people decide between versions: a challenger takes over or not, a champion that proves worse goes.

Votes are looked at as they come; the evidence allows that (data/versions/sequential_test.py). Knows nothing of who
votes, nor of how their pairs are made.
"""

import asyncio
from dataclasses import dataclass

from app.background.loop import in_words
from app.versions.comparison import Rivals, rivals
from app.versions.registry import Adapters
from data.errors import AdapterError
from data.records import Ruling
from data.store import PreferenceStore
from data.versions.comparisons import Contest, evidence
from data.versions.sequential_test import Evidence, Outcome

_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Match:
    """Two versions that people compare, and the votes that count."""

    rivals: Rivals
    votes: tuple[Contest, ...]

    @property
    def evidence(self) -> Evidence:
        """What the votes come to, for the challenger."""
        return evidence(self.votes, self.rivals.challenger)


class Trial:
    """Watches the votes between versions.

    roll_back: whether a champion that proves worse is taken back by itself. most_votes: a trial that so many have not
    settled, those for neither among them, ends without a winner.
    """

    def __init__(self, store: PreferenceStore, adapters: Adapters, *, roll_back: bool, most_votes: int) -> None:
        self.trouble: str | None = None
        self.most_votes = most_votes
        self._store = store
        self._adapters = adapters
        self._roll_back = roll_back

    def match(self) -> Match | None:
        """The match that runs; None where no two versions are compared."""
        found = rivals(self._store)
        if found is None:
            return None
        votes = self._store.contests.between(found.challenger, found.champion, since=found.since)
        return Match(found, tuple(votes))

    async def run(self) -> None:
        """Decide as votes come in, until cancelled. What cannot be done is kept in `trouble` and tried again."""
        seen = None
        while True:
            try:
                now = await asyncio.to_thread(self._state)
                if now != seen:
                    await self.look()
                    seen, self.trouble = now, None
            except Exception as error:  # out of memory, for one; nobody else would end the trial
                seen, self.trouble = None, in_words(error, during="votes were acted on", before=self.trouble)
            await asyncio.sleep(_EVERY_SECONDS)

    async def look(self) -> None:
        """Decide the match that runs, if its votes settle it or there are too many that do not.

        Raises as Adapters does: ConflictError, too, if the match became another before its turn.
        """
        match = await asyncio.to_thread(self.match)
        if match is None:
            return
        if match.rivals.trial:
            await self._end(match)
        elif match.evidence.outcome is Outcome.WORSE and self._roll_back:
            await self._adapters.roll_back(
                reason=_words(match), numbers=_numbers(match), premise=lambda: self._still(match)
            )

    async def _end(self, match: Match) -> None:
        """End a trial that is decided; a challenger that won but cannot be served is left to an admin."""
        match match.evidence.outcome:
            case Outcome.BETTER:
                try:
                    await self._adapters.promote(
                        match.rivals.challenger,
                        reason=_words(match),
                        numbers=_numbers(match),
                        premise=lambda: self._still(match),
                    )
                except AdapterError as error:
                    await self._rule(match, Ruling.WAIT, f"{_words(match)}, but: {error}")
            case Outcome.WORSE:
                await self._rule(match, Ruling.REFUSE, _words(match))
            case Outcome.OPEN if len(match.votes) >= self.most_votes:
                words = f"not settled after {len(match.votes)} votes; {match.rivals.champion} stays"
                await self._rule(match, Ruling.WAIT, words)

    async def _rule(self, match: Match, ruling: Ruling, reason: str) -> None:
        await self._adapters.rule(
            match.rivals.challenger,
            ruling,
            reason=reason,
            numbers=_numbers(match),
            premise=lambda: self._still(match),
        )

    def _still(self, match: Match) -> bool:
        """Whether people compare the same two: an admin may have moved or ruled on one of them meanwhile."""
        return rivals(self._store) == match.rivals

    def _state(self) -> tuple[object, ...]:
        """What a decision can depend on; as long as it is the same, there is nothing new to decide."""
        standing = tuple(quarantine.annotator_id for quarantine in self._store.quarantines.in_force())
        return self._store.judgments.last_id(), rivals(self._store), standing


def _words(match: Match) -> str:
    found = match.evidence
    return f"it won {found.wins} of {found.votes} votes against {match.rivals.champion}"


def _numbers(match: Match) -> dict[str, float | int | str | None]:
    found = match.evidence
    low, high = found.interval()
    return {
        "against": match.rivals.champion,
        "since": match.rivals.since,
        "wins": found.wins,
        "losses": found.losses,
        "undecided": len(match.votes) - found.votes,
        "win_rate": found.win_rate,
        "low": low,
        "high": high,
        "better": found.better,
        "worse": found.worse,
    }
