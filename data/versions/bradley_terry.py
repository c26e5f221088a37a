"""A ladder of versions from the votes between them. Knows nothing of where the votes come from.

Each version has a strength; one beats another with the logistic of the difference: R. A. Bradley and M. E. Terry, "Rank
analysis of incomplete block designs", Biometrika 39 (1952). A tie counts as half a win for each, as chess has it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, log_expit

from data.support.arrays import Floats

PRIOR_DEVIATION = 2.5
"""Of every strength, in logits: hardly felt, but a version that has won every vote stays finite (Gelman 2008)."""

ELO = 400 / math.log(10)
"""Elo points for each logit: 400 points are ten to one."""

_95_PERCENT = 1.959964


@dataclass(frozen=True, slots=True)
class Rung:
    """A version's strength in Elo points above the anchor, with its 95 % interval.

    All three are None for a version that no chain of votes connects with the anchor. votes: that it took part in.
    """

    version: str
    elo: float | None
    low: float | None
    high: float | None
    votes: int


def wins(elo: float) -> float:
    """The share of pairs that a version so many points above another wins, ties counted half (Bradley-Terry)."""
    return 1 / (1 + math.exp(-elo / ELO))


def ladder(results: Iterable[tuple[str, str, str | None]], anchor: str) -> tuple[Rung, ...]:
    """The versions of all results and the anchor, strongest first, those that cannot be compared last.

    results: two versions and which of them won, None for a tie. The anchor stands at 0, with no interval of its own.
    The intervals come from the curvature of the log posterior at its peak.
    """
    games = list(results)
    names = list(dict.fromkeys([anchor, *(name for a, b, _ in games for name in (a, b))]))
    index = {name: at for at, name in enumerate(names)}
    pairs = np.array([(index[a], index[b]) for a, b, _ in games], dtype=np.int64).reshape(-1, 2)
    scores = np.array([0.5 if won is None else float(won == a) for a, _, won in games])
    reached = _reached(len(names), pairs)
    fits = reached[pairs[:, 0]]
    strengths, deviations = _fit(len(names), pairs[fits], scores[fits])
    votes = np.bincount(pairs.ravel(), minlength=len(names))
    rungs = [_rung(name, at, reached, strengths, deviations, votes) for name, at in index.items()]
    return tuple(sorted(rungs, key=lambda rung: -math.inf if rung.elo is None else rung.elo, reverse=True))


def _reached(count: int, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which versions a chain of votes connects with the first."""
    graph = np.eye(count)
    graph[pairs[:, 0], pairs[:, 1]] = 1
    labels = connected_components(graph, directed=False)[1]
    return np.asarray(labels == labels[0])


def _fit(count: int, pairs: npt.NDArray[np.int64], scores: Floats) -> tuple[Floats, Floats]:
    """Strengths in logits [count], the first 0, and their standard errors [count]."""
    design = np.zeros((len(pairs), count))
    rows = np.arange(len(pairs))
    np.add.at(design, (rows, pairs[:, 0]), 1.0)
    np.add.at(design, (rows, pairs[:, 1]), -1.0)
    design = design[:, 1:]

    def loss(strengths: Floats) -> tuple[float, Floats]:
        gap = design @ strengths
        value = -(scores @ log_expit(gap) + (1 - scores) @ log_expit(-gap)) + _penalty(strengths)
        return float(value), design.T @ (expit(gap) - scores) + strengths / PRIOR_DEVIATION**2

    if count == 1:
        return np.zeros(1), np.zeros(1)
    found = np.asarray(minimize(loss, np.zeros(count - 1), jac=True, method="BFGS", options={"gtol": 1e-8}).x)
    chance = expit(design @ found)
    curvature = (design.T * (chance * (1 - chance))) @ design + np.eye(count - 1) / PRIOR_DEVIATION**2
    deviations = np.sqrt(np.diag(np.linalg.inv(curvature)))
    return np.concatenate([[0.0], found]), np.concatenate([[0.0], deviations])


def _penalty(strengths: Floats) -> float:
    return float(strengths @ strengths) / (2 * PRIOR_DEVIATION**2)


def _rung(
    name: str,
    at: int,
    reached: npt.NDArray[np.bool_],
    strengths: Floats,
    deviations: Floats,
    votes: Sequence[int] | npt.NDArray[np.int64],
) -> Rung:
    if not reached[at]:
        return Rung(name, None, None, None, int(votes[at]))
    middle, spread = ELO * strengths[at], ELO * _95_PERCENT * deviations[at]
    return Rung(name, float(middle), float(middle - spread), float(middle + spread), int(votes[at]))
