"""The desk: everything one annotator can do. The page and the API both work through it.

What it hands out is blind: it names no model or version.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from app.annotation.feeder import Feeder
from app.annotation.queue_settings import QueueSettings, ShownReasoning
from app.serving.router import Router
from data.activity.own_stats import Stats
from data.annotation.gold import Expected
from data.errors import ConflictError, InputError, NotFoundError
from data.records import Annotator, Choice, Completion, Guideline, Judgment, Lease, Pair, Prompt, Thought, Verdict
from data.store import PreferenceStore


@dataclass(frozen=True, slots=True)
class LivePair:
    """A pair being sampled while its annotator watches; the last item has the lease.

    thoughts: the reasoning before each answer, if there is any and annotators may see it.
    """

    prompt: Prompt
    texts: tuple[str, str]
    lease: Lease | None
    thoughts: tuple[Thought | None, Thought | None] = (None, None)


class Desk:
    """Leases pairs, records judgments, undoes them, and accepts prompts.

    reasons: the tags a judgment may have; turns: maximum user turns in a conversation; queue: what annotators are
    given and shown. keeps_reasoning: whether the model sees its earlier reasoning in later turns. judged: called after
    each judgment that was saved or undone.
    """

    def __init__(
        self,
        store: PreferenceStore,
        feeder: Feeder,
        router: Router,
        *,
        lease_ms: int,
        reasons: tuple[str, ...],
        turns: int,
        queue: QueueSettings,
        keeps_reasoning: bool = False,
        judged: Callable[[], None] = lambda: None,
    ) -> None:
        self.reasons = reasons
        self.reasoning = queue.reasoning
        self._store = store
        self._feeder = feeder
        self._router = router
        self._lease_ms = lease_ms
        self._turns = turns
        self._queue = queue
        self._judged = judged
        self._keeps_reasoning = keeps_reasoning

    async def next(self, annotator: Annotator) -> Lease | None:
        """Return the pair to judge: the one already leased to this annotator, else a ready one, else None."""
        lease = await asyncio.to_thread(self._lend, annotator.id, self._router.champion)
        self._feeder.wake()
        return lease

    def _lend(self, annotator_id: int, champion: str) -> Lease | None:
        on_trial = self._store.decisions.tried() is not None
        rules = self._queue.trial_rules if on_trial else self._queue.rules
        return self._store.pairs.lease(annotator_id, duration_ms=self._lease_ms, version=champion, rules=rules)

    async def live(self, annotator: Annotator, prompt_sha256: str | None = None) -> AsyncGenerator[LivePair, None]:
        """Sample a pair now, for this prompt or for the next one, and lease it.

        The digest serves as permission, since only those who know a prompt know it. Ends without a lease when no pair
        could be made. Raises NotFoundError for an unknown prompt.
        """
        prompt = (
            None if prompt_sha256 is None else await asyncio.to_thread(self._store.prompts.by_sha256, prompt_sha256)
        )
        async with aclosing(self._feeder.drafts(prompt)) as drafts:
            async for draft in drafts:
                lease = None
                if draft.pair is not None:
                    lease = await asyncio.to_thread(
                        self._store.pairs.lease_pair, draft.pair.id, annotator.id, duration_ms=self._lease_ms
                    )
                yield LivePair(draft.prompt, draft.texts, lease, self._shown(draft.thoughts))

    def thought(self, completion: Completion) -> Thought | None:
        """Return the reasoning before an answer, if annotators may see it."""
        return None if self.reasoning is ShownReasoning.HIDDEN else completion.thought

    def _shown(self, thoughts: tuple[Thought | None, ...]) -> tuple[Thought | None, Thought | None]:
        if self.reasoning is ShownReasoning.HIDDEN or not thoughts:
            return None, None
        a, b = thoughts
        return a, b

    async def judge(self, annotator: Annotator, token: str, verdict: Verdict, key: str) -> Judgment:
        """Record a judgment; when this returns, it is on disk. The same key again returns the same judgment.

        Raises InputError, NotFoundError or ConflictError with a message for the annotator.
        """
        unknown = {*verdict.remarks.reasons_a, *verdict.remarks.reasons_b} - {*self.reasons}
        if unknown:
            raise InputError("There is no reason {reason}: reload the page.", reason=min(unknown))
        record = self._store.judgments.record
        judgment = await asyncio.to_thread(record, annotator.id, token, verdict, idempotency_key=key)
        self._judged()
        return judgment

    async def expected(self, judgment: Judgment) -> Expected | None:
        """Return the expected judgment of a gold pair, if annotators are told; None for any other pair."""
        if not self._queue.gold_feedback:
            return None
        return await asyncio.to_thread(self._store.gold.expected, judgment.pair_id)

    async def undo(self, annotator: Annotator) -> tuple[Lease, Judgment] | None:
        """Undo the last judgment; returns the pair to judge again and the undone judgment, None if there is none."""
        undone = await asyncio.to_thread(self._store.judgments.undo, annotator.id, duration_ms=self._lease_ms)
        self._judged()
        return undone

    async def change(self, annotator: Annotator, judgment_id: int) -> tuple[Lease, Judgment]:
        """Lease the pair of an earlier judgment again; until it is judged anew, the earlier judgment counts.

        Raises NotFoundError or ConflictError with a message for the annotator.
        """
        return await asyncio.to_thread(
            self._store.judgments.change, annotator.id, judgment_id, duration_ms=self._lease_ms
        )

    async def history(self, annotator: Annotator, *, before: int | None, limit: int) -> list[tuple[Judgment, Pair]]:
        """Return the annotator's valid judgments with their pairs, newest first."""

        def read() -> list[tuple[Judgment, Pair]]:
            judgments = self._store.judgments.standing(annotator.id, before=before, limit=limit)
            pairs = self._store.pairs.by_ids(judgment.pair_id for judgment in judgments)
            return [(judgment, pairs[judgment.pair_id]) for judgment in judgments]

        return await asyncio.to_thread(read)

    async def write(self, annotator: Annotator, text: str) -> Prompt:
        """Save a prompt written by the annotator, to be answered live. Raises InputError for an empty one."""
        return await asyncio.to_thread(self._store.prompts.write, text, annotator.id)

    async def goes_on(self, judgment: Judgment) -> bool:
        """Return whether the conversation of a judgment can continue with the chosen answer."""
        if not judgment.choice.decisive or self._turns < 2:
            return False
        pair = await asyncio.to_thread(self._store.pairs.by_id, judgment.pair_id)
        return pair.prompt.turns < self._turns

    async def continue_with(self, annotator: Annotator, judgment_id: int, text: str) -> Prompt:
        """Continue a judgment's conversation with the chosen answer (as edited, if it was) and the user's text.

        Raises NotFoundError for a judgment of someone else; ConflictError when it chose no answer or the conversation
        has its maximum length; InputError for an empty text.
        """
        judgment = await asyncio.to_thread(self._store.judgments.by_id, judgment_id)
        if judgment.annotator_id != annotator.id:
            raise NotFoundError("there is no judgment {judgment} of yours", judgment=judgment_id)
        if not await self.goes_on(judgment):
            raise ConflictError(
                "This conversation cannot continue: no answer was chosen, or it has as many turns as allowed."
            )

        def keep() -> Prompt:
            pair = self._store.pairs.by_id(judgment.pair_id)
            chosen = pair.a if judgment.choice is Choice.A else pair.b
            thought = chosen.reasoning if self._keeps_reasoning else None
            answer = judgment.edit or chosen.text
            return self._store.prompts.continue_with(pair.id, answer, text, annotator.id, reasoning=thought)

        return await asyncio.to_thread(keep)

    async def guideline(self) -> Guideline | None:
        """Return the current annotation guidelines."""
        return await asyncio.to_thread(self._store.guidelines.newest)

    async def stats(self, annotator: Annotator) -> Stats:
        """Return the annotator's own statistics."""
        return await asyncio.to_thread(self._store.stats.of, annotator.id)

    async def progress(self, annotator: Annotator) -> int:
        """Return how many pairs this annotator has judged."""
        return await asyncio.to_thread(self._store.judgments.progress, annotator.id)
