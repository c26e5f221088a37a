"""Decide what happens to a version that a round made: rejected by its evaluation, or handled as the settings say.

RoundRunner calls it when training has ended.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

from app.versions.difference import not_told_by_answers, not_told_by_pairs, told_by_answers_alone
from app.versions.limits import Limits, breaches
from app.versions.registry import ModelRegistry
from data.errors import ConflictError
from data.records import RoundState, Ruling
from trainer.interface.manifest import Evaluation, RivalScores

if TYPE_CHECKING:  # reading settings must not import torch
    from app.serving.router import Router


class Promotion(StrEnum):
    """What happens to a version that breaks no limit: it serves (GATE), is put in TRIAL, or waits for an admin.

    One that breaks a limit is always rejected.
    """

    GATE = "gate"
    TRIAL = "trial"
    BY_HAND = "by_hand"


class PromotionPolicy:
    """Checks versions against the limits, and applies `promotion` to those that break none."""

    def __init__(self, registry: ModelRegistry, router: "Router", *, promotion: Promotion, limits: Limits) -> None:
        self._registry = registry
        self._router = router
        self._promotion = promotion
        self._limits = limits

    async def decide(self, name: str, round_id: int, evaluation: Evaluation | None) -> tuple[RoundState, str | None]:
        """Decide on a version by its evaluation and the settings; returns the round's state and the reason, if any.

        A version that does not differ measurably from the one that serves waits for an admin. A version that already
        serves (after a restart) stays. An evaluation compares with the version that served when the round started: if
        another serves by now, it can reject the new version, but not promote it.
        """
        if name == self._router.champion:
            return RoundState.PROMOTED, None
        if evaluation is None:
            reason = "its trainer has not compared it with the version that serves"
            return await self.hold(name, reason), reason
        if found := breaches(evaluation, self._limits):
            reason = "; ".join(breach.words for breach in found)
            numbers = {breach.key: breach.value for breach in found}
            await self._registry.rule(name, Ruling.REFUSE, reason=reason, numbers=numbers)
            return RoundState.REFUSED, reason
        against = evaluation.against_champion
        if alike := self._alike(against):
            return await self.hold(name, alike), alike
        besides = told_by_answers_alone(against) or not_told_by_pairs(against)
        reason = f"round {round_id} passed all checks" + (f"; {besides}" if besides else "")
        return await self._let_through(name, against.rival, reason)

    async def hold(self, name: str, reason: str) -> RoundState:
        """Let a version wait for an admin; one that serves already stays so."""
        if name == self._router.champion:
            return RoundState.PROMOTED
        await self._registry.rule(name, Ruling.WAIT, reason=reason)
        return RoundState.WAITING

    def _alike(self, against: RivalScores) -> str | None:
        """Explain why a version does not differ from the champion; in a trial people decide where pairs do not."""
        by_answers = not_told_by_answers(against)
        if by_answers or self._promotion is Promotion.TRIAL:
            return by_answers
        return not_told_by_pairs(against)

    async def _let_through(self, name: str, rival: str, reason: str) -> tuple[RoundState, str | None]:
        """Apply `promotion` to a version that broke no limit; returns the round's state and the reason, if any."""
        match self._promotion:
            case Promotion.GATE:
                return await self._promote(name, rival, reason)
            case Promotion.TRIAL:  # people compare it with the current champion, whatever it was evaluated against
                await self._registry.put_on_trial(name, reason=reason + self._since(rival))
            case Promotion.BY_HAND:
                await self._registry.rule(name, Ruling.WAIT, reason=reason + self._since(rival))
        return RoundState.WAITING, None

    async def _promote(self, name: str, rival: str, reason: str) -> tuple[RoundState, str | None]:
        """Promote a version, unless its rival no longer serves, now or when the promotion's turn comes."""
        try:
            await self._registry.promote(name, reason=reason, premise=lambda: self._router.champion == rival)
        except ConflictError:
            if self._router.champion == rival:
                raise
            held = reason + self._since(rival)
            return await self.hold(name, held), held
        return RoundState.PROMOTED, None

    def _since(self, rival: str) -> str:
        """Return what to add to a reason if the rival no longer serves."""
        serving = self._router.champion
        return "" if serving == rival else f", compared with {rival}; but {serving} serves by now"
