"""How the next pair to train on is chosen from those that wait: as a probability for each, so that it is known.

Pure functions. Nothing is ever measured on pairs chosen here: that is what evaluation pairs are for. Knows nothing
of tables or of who judges.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair that waits. margin: the champion's implicit reward of a less that of b (nats), where it was computed.

    words: those of its prompt.
    """

    pair_id: int
    margin: float | None
    words: frozenset[str]


class StrategyName(StrEnum):
    """The ways to choose; see the functions of the same names."""

    RANDOM = "random"
    UNCERTAINTY = "uncertainty"
    DIVERSITY = "diversity"


@dataclass(frozen=True, slots=True)
class Odds:
    """The probability of each candidate, in their order; they add up to 1. by: the strategy that it was in the end."""

    by: StrategyName
    shares: tuple[float, ...]


Strategy = Callable[[Sequence[Candidate], Sequence[frozenset[str]], float], Odds]
"""Given candidates (at least one), the words of prompts judged lately, and the share of draws that just explore."""


def random(candidates: Sequence[Candidate], _: Sequence[frozenset[str]] = (), __: float = 0.0) -> Odds:
    """Every candidate alike."""
    return Odds(StrategyName.RANDOM, (1 / len(candidates),) * len(candidates))


def uncertainty(candidates: Sequence[Candidate], recent: Sequence[frozenset[str]], explore: float) -> Odds:
    """The smallest |implicit reward margin|: where the policy least knows which answer is better.

    The margin is DPO's implicit reward of a less that of b (Rafailov et al. 2023, section 5.1), beta left out, since
    it does not change the order. Where no candidate has one (the champion is the base itself), it is `random`.
    """
    known = [(abs(candidate.margin), at) for at, candidate in enumerate(candidates) if candidate.margin is not None]
    if not known:
        return random(candidates)
    return Odds(StrategyName.UNCERTAINTY, _mostly(min(known)[1], len(candidates), explore))


def diversity(candidates: Sequence[Candidate], recent: Sequence[frozenset[str]], explore: float) -> Odds:
    """The prompt least like those judged lately: the greedy step of k-center (Sener and Savarese 2018, algorithm 1).

    Likeness is the share of words that two prompts have in common (Jaccard).
    """
    nearest = [max((_likeness(one.words, other) for other in recent), default=0.0) for one in candidates]
    return Odds(StrategyName.DIVERSITY, _mostly(nearest.index(min(nearest)), len(candidates), explore))


STRATEGIES: dict[StrategyName, Strategy] = {
    StrategyName.RANDOM: random,
    StrategyName.UNCERTAINTY: uncertainty,
    StrategyName.DIVERSITY: diversity,
}


def words_of(text: str) -> frozenset[str]:
    """The words of a prompt, small letters; of scripts without spaces, runs of letters."""
    return frozenset(_WORD.findall(text.lower()))


def _mostly(best: int, count: int, explore: float) -> tuple[float, ...]:
    """One candidate, except for a share of draws that may be any."""
    return tuple(explore / count + (1 - explore) * (at == best) for at in range(count))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 1.0
