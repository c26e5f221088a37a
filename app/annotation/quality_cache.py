"""The quality report on all judgments, computed on demand and cached until somebody judges."""

import asyncio
from dataclasses import dataclass

from data.quality.over_time import Span, agreement_course
from data.quality.report import QualityReport, quality_report
from data.store import PreferenceStore
from data.support.clock import Clock

_DAY_MS = 24 * 60 * 60 * 1000
_HOUR_MS = 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Quality:
    """A report on the judgments made here, and the agreement over the same time."""

    report: QualityReport
    course: tuple[Span, ...]


class QualityCache:
    """Computes the report off the event loop: hundreds of thousands of judgments take seconds."""

    def __init__(self, store: PreferenceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._made: tuple[tuple[int, int], Quality] | None = None

    async def quality(self, days: int | None) -> Quality:
        """Return the report on the judgments of the last days, or on all; for imported ones see `Ballots.cast_here`.

        A report is reused for up to an hour, as long as nobody has judged or undone anything since.
        """
        since = 0 if days is None else (self._clock() // _HOUR_MS) * _HOUR_MS - days * _DAY_MS
        async with self._one_at_a_time:
            key = (since, await asyncio.to_thread(self._store.judgments.last_id))
            if self._made is None or self._made[0] != key:
                self._made = (key, await asyncio.to_thread(self._examine, since))
            return self._made[1]

    def _examine(self, since: int) -> Quality:
        quality_votes = self._store.quality_votes.cast_here(since=since)
        return Quality(quality_report(quality_votes), agreement_course(quality_votes))
