"""Strategies that choose the next training pair: each gives every waiting pair a probability, which the lease records.

Pure functions. Metrics never come from pairs chosen here; evaluation pairs are drawn apart.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting pair. margin: the champion's implicit reward of a minus that of b (nats), where it was computed.

    words: the words of its prompt.
    """

    pair_id: int
    margin: float | None
    words: frozenset[str]


class StrategyName(StrEnum):
    """The names of the strategies; see the functions of the same names."""

    RANDOM = "random"
    UNCERTAINTY = "uncertainty"
    DIVERSITY = "diversity"


@dataclass(frozen=True, slots=True)
class Odds:
    """The probability of each candidate, in their order; they sum to 1. by: the strategy that was used in the end."""

    by: StrategyName
    shares: tuple[float, ...]


Strategy = Callable[[Sequence[Candidate], Sequence[frozenset[str]], float], Odds]
"""Takes candidates (at least one), the words of recently judged prompts, and the share of uniformly random draws."""


def random(candidates: Sequence[Candidate], _: Sequence[frozenset[str]] = (), __: float = 0.0) -> Odds:
    """Give every candidate the same probability."""
    return Odds(StrategyName.RANDOM, (1 / len(candidates),) * len(candidates))


def uncertainty(candidates: Sequence[Candidate], recent: Sequence[frozenset[str]], explore: float) -> Odds:
    """Prefer the smallest |implicit reward margin|, where the policy is least sure which answer is better.

    The margin is DPO's implicit reward of a minus that of b (Rafailov et al. 2023, section 5.1), without beta, which
    does not change the order. Where no candidate has a margin (the champion is the base model), falls back to `random`.
    """
    known = [(abs(candidate.margin), at) for at, candidate in enumerate(candidates) if candidate.margin is not None]
    if not known:
        return random(candidates)
    return Odds(StrategyName.UNCERTAINTY, _mostly(min(known)[1], len(candidates), explore))


def diversity(candidates: Sequence[Candidate], recent: Sequence[frozenset[str]], explore: float) -> Odds:
    """Prefer the prompt least similar to those judged recently: the greedy step of k-center.

    Sener and Savarese 2018, algorithm 1; similarity is the Jaccard index of the prompts' words.
    """
    nearest = [max((_likeness(one.words, other) for other in recent), default=0.0) for one in candidates]
    return Odds(StrategyName.DIVERSITY, _mostly(nearest.index(min(nearest)), len(candidates), explore))


STRATEGIES: dict[StrategyName, Strategy] = {
    StrategyName.RANDOM: random,
    StrategyName.UNCERTAINTY: uncertainty,
    StrategyName.DIVERSITY: diversity,
}


def words_of(text: str) -> frozenset[str]:
    """Return the words of a prompt, lower case; in scripts without spaces, runs of letters."""
    return frozenset(_WORD.findall(text.lower()))


def _mostly(best: int, count: int, explore: float) -> tuple[float, ...]:
    """Give one candidate all the probability but the share `explore`, which all candidates share equally."""
    return tuple(explore / count + (1 - explore) * (at == best) for at in range(count))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 1.0
