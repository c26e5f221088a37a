"""The section `[queue]` of the settings: what annotators are given to judge."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from data.annotation.queue import QueueRules
from data.annotation.strategies import StrategyName
from data.support.settings_types import IN_OUR_WORDS, Fraction, Positive, Strict


class ShownReasoning(StrEnum):
    """What annotators see of the reasoning before an answer: nothing, folded, or open."""

    HIDDEN = "hidden"
    FOLDED = "folded"
    OPEN = "open"


class QueueSettings(Strict):
    """What annotators are given to judge; see data/annotation/queue.py for the rules.

    overlap: the share of new pairs that overlap_judgments people judge. gold_feedback: whether annotators are told at
    once what a gold pair's expected choice was. trial: replaces evaluation while a version is in trial. reasoning: what
    annotators see of it; hidden reasoning is not sent to them at all.
    """

    strategy: StrategyName = StrategyName.RANDOM
    explore: Fraction = 0.2
    overlap: Fraction = 0.1
    overlap_judgments: Annotated[int, Field(ge=2)] = 2
    gold: Fraction = 0.05
    gold_feedback: bool = True
    reask: Fraction = 0.03
    reask_after: Positive = 10
    evaluation: Fraction = 0.05
    trial: Fraction = 0.3
    reasoning: ShownReasoning = ShownReasoning.FOLDED

    @model_validator(mode="after")
    def _leave_room(self) -> "QueueSettings":
        if self.gold + self.reask + max(self.evaluation, self.trial) > 1:
            words = "gold, reask and evaluation (or trial) in [queue] together are more than 1; lower one"
            raise PydanticCustomError(IN_OUR_WORDS, words)
        return self

    @property
    def rules(self) -> QueueRules:
        """The settings as rules for the queue."""
        return QueueRules(
            strategy=self.strategy,
            explore=self.explore,
            gold=self.gold,
            reask=self.reask,
            reask_after=self.reask_after,
            evaluation=self.evaluation,
        )

    @property
    def trial_rules(self) -> QueueRules:
        """The same rules while a version is in trial."""
        return replace(self.rules, evaluation=self.trial)
