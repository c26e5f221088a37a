"""The desk: what one annotator can do. The page and the API both work through it.

Knows nothing of models or versions: what it gives out is blind.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from app.feeder import Feeder
from app.serving.router import Router
from data.records import Annotator, Judgment, Lease, Prompt, Verdict
from data.store import PreferenceStore


@dataclass(frozen=True, slots=True)
class LivePair:
    """A pair that is made while its annotator watches; the lease comes with the last item."""

    prompt: Prompt
    texts: tuple[str, str]
    lease: Lease | None


class Desk:
    """Lends pairs, takes judgments, takes them back."""

    def __init__(self, store: PreferenceStore, feeder: Feeder, router: Router, *, lease_ms: int) -> None:
        self._store = store
        self._feeder = feeder
        self._router = router
        self._lease_ms = lease_ms

    async def next(self, annotator: Annotator) -> Lease | None:
        """The pair to judge: the one already lent to this annotator, else a ready one, else None."""
        lease = await asyncio.to_thread(
            self._store.pairs.lease, annotator.id, duration_ms=self._lease_ms, version=self._router.champion
        )
        self._feeder.poke()
        return lease

    async def live(self, annotator: Annotator) -> AsyncGenerator[LivePair, None]:
        """Make a pair now and lend it; ends without a lease when none could be made."""
        async with aclosing(self._feeder.drafts()) as drafts:
            async for draft in drafts:
                lease = None
                if draft.pair is not None:
                    lease = await asyncio.to_thread(
                        self._store.pairs.lease_pair, draft.pair.id, annotator.id, duration_ms=self._lease_ms
                    )
                yield LivePair(draft.prompt, draft.texts, lease)

    async def judge(self, annotator: Annotator, token: str, verdict: Verdict, key: str) -> Judgment:
        """Keep a judgment; when this returns, it is on disk. The same key again is the same judgment.

        Raises InputError, NotFoundError or ConflictError with words for the annotator.
        """
        return await asyncio.to_thread(self._store.judgments.record, annotator.id, token, verdict, idempotency_key=key)

    async def undo(self, annotator: Annotator) -> tuple[Lease, Judgment] | None:
        """Take the last judgment back: the pair to judge again with what had been said, None if there is none."""
        return await asyncio.to_thread(self._store.judgments.undo, annotator.id, duration_ms=self._lease_ms)

    async def progress(self, annotator: Annotator) -> int:
        """How many pairs this annotator has judged."""
        return await asyncio.to_thread(self._store.judgments.progress, annotator.id)
