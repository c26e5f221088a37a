"""What becomes of a version that a round made: refused by its evaluation, or let through as the settings say.

Knows nothing of how a version is measured, nor of rounds under way.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

from app.versions.difference import not_told_by_answers, not_told_by_pairs, told_by_answers_alone
from app.versions.limits import Limits, breaches
from app.versions.registry import ModelRegistry
from data.errors import ConflictError
from data.records import RoundState, Ruling
from trainer.interface.manifest import Evaluation, RivalScores

if TYPE_CHECKING:  # whoever reads settings must not import torch
    from app.serving.router import Router


class Promotion(StrEnum):
    """What becomes of a version that broke no limit: it serves (GATE), is put on TRIAL, or waits for an admin.

    One that broke a limit is refused whatever this says.
    """

    GATE = "gate"
    TRIAL = "trial"
    BY_HAND = "by_hand"


class PromotionPolicy:
    """Holds versions to the limits, and does with those that break none what `promotion` says."""

    def __init__(self, adapters: ModelRegistry, router: "Router", *, promotion: Promotion, limits: Limits) -> None:
        self._adapters = adapters
        self._router = router
        self._promotion = promotion
        self._limits = limits

    async def decide(self, name: str, round_id: int, evaluation: Evaluation | None) -> tuple[RoundState, str | None]:
        """What becomes of a version, by its evaluation and the settings, and why not more.

        One that cannot be told from what serves waits for an admin.
        One that took over before a restart has done so. What an evaluation says is about the version that served when
        the round began: where another serves by now it refuses, but promotes nothing.
        """
        if name == self._router.champion:
            return RoundState.PROMOTED, None
        if evaluation is None:
            reason = "its trainer has not compared it with the version that serves"
            return await self.hold(name, reason), reason
        if found := breaches(evaluation, self._limits):
            reason = "; ".join(breach.words for breach in found)
            numbers = {breach.key: breach.value for breach in found}
            await self._adapters.rule(name, Ruling.REFUSE, reason=reason, numbers=numbers)
            return RoundState.REFUSED, reason
        against = evaluation.against_champion
        if alike := self._alike(against):
            return await self.hold(name, alike), alike
        besides = told_by_answers_alone(against) or not_told_by_pairs(against)
        reason = f"round {round_id} ended well and broke no limit" + (f"; {besides}" if besides else "")
        return await self._let_through(name, against.rival, reason)

    async def hold(self, name: str, reason: str) -> RoundState:
        """Let a version wait for an admin, whatever it is like; one that serves already stays so."""
        if name == self._router.champion:
            return RoundState.PROMOTED
        await self._adapters.rule(name, Ruling.WAIT, reason=reason)
        return RoundState.WAITING

    def _alike(self, against: RivalScores) -> str | None:
        """Why a version cannot be told from the one that serves; on trial people tell, where held-out pairs do not."""
        by_answers = not_told_by_answers(against)
        if by_answers or self._promotion is Promotion.TRIAL:
            return by_answers
        return not_told_by_pairs(against)

    async def _let_through(self, name: str, rival: str, reason: str) -> tuple[RoundState, str | None]:
        """What becomes of a version that broke no limit, compared with a rival, and why not more."""
        match self._promotion:
            case Promotion.GATE:
                return await self._promote(name, rival, reason)
            case Promotion.TRIAL:  # people compare it with what serves, whatever it was compared with before
                await self._adapters.put_on_trial(name, reason=reason + self._since(rival))
            case Promotion.BY_HAND:
                await self._adapters.rule(name, Ruling.WAIT, reason=reason + self._since(rival))
        return RoundState.WAITING, None

    async def _promote(self, name: str, rival: str, reason: str) -> tuple[RoundState, str | None]:
        """Let a version serve, unless its rival does so no more: at the start of the act, or when its turn comes."""
        try:
            await self._adapters.promote(name, reason=reason, premise=lambda: self._router.champion == rival)
        except ConflictError:
            if self._router.champion == rival:
                raise
            held = reason + self._since(rival)
            return await self.hold(name, held), held
        return RoundState.PROMOTED, None

    def _since(self, rival: str) -> str:
        """What a reason has to add if the rival does not serve any more."""
        serving = self._router.champion
        return "" if serving == rival else f", compared with {rival}; but {serving} serves by now"
