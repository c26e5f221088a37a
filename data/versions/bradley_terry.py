"""Rank versions by the votes between them.

Each version has a strength; it beats another with probability logistic(difference): R. A. Bradley and M. E. Terry,
"Rank analysis of incomplete block designs", Biometrika 39 (1952). A tie counts as half a win for each, as in chess.
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
"""The prior's standard deviation of strengths, in logits: hardly felt, but keeps them finite (Gelman 2008)."""

ELO = 400 / math.log(10)
"""Elo points per logit: 400 points are odds of ten to one."""

_95_PERCENT = 1.959964


@dataclass(frozen=True, slots=True)
class RankedVersion:
    """A version's strength in Elo points above the anchor, with its 95 % interval.

    All three are None if no chain of votes connects the version with the anchor. votes: those it took part in.
    """

    version: str
    elo: float | None
    low: float | None
    high: float | None
    votes: int


def wins(elo: float) -> float:
    """Return the share of pairs that a version this many Elo points above another wins; a tie is half a win."""
    return 1 / (1 + math.exp(-elo / ELO))


def ranking(results: Iterable[tuple[str, str, str | None]], anchor: str) -> tuple[RankedVersion, ...]:
    """Rank the anchor and the versions of all results, strongest first; those that cannot be compared come last.

    results: two versions and which of them won, None for a tie. The anchor is at 0, without an interval.
    The intervals come from the curvature of the log posterior at its mode.
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
    """Return which versions a chain of votes connects with the first."""
    graph = np.eye(count)
    graph[pairs[:, 0], pairs[:, 1]] = 1
    labels = connected_components(graph, directed=False)[1]
    return np.asarray(labels == labels[0])


def _fit(count: int, pairs: npt.NDArray[np.int64], scores: Floats) -> tuple[Floats, Floats]:
    """Return strengths in logits, (count,), the first 0, and their standard errors, (count,)."""
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
) -> RankedVersion:
    if not reached[at]:
        return RankedVersion(name, None, None, None, int(votes[at]))
    middle, spread = ELO * strengths[at], ELO * _95_PERCENT * deviations[at]
    return RankedVersion(name, float(middle), float(middle - spread), float(middle + spread), int(votes[at]))
