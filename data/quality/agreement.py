"""Inter-annotator agreement, by the published coefficients.

Labels are nominal: equal or not. A coefficient is 1 where all agree and 0 where they agree as if by chance. It is None
where it is not defined: without two labels on one unit, or when only one label was ever given.
"""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from data.quality.share import SHOWN_CONFIDENCE, wilson
from data.support.arrays import Counts

Labels = Sequence[Hashable]
"""The labels that different people gave one unit, any number of them."""


def counts_of(units: Iterable[Labels]) -> Counts:
    """Count each label on each unit, (units, labels)."""
    units = list(units)
    known: dict[Hashable, int] = {}
    places = [(row, known.setdefault(label, len(known))) for row, labels in enumerate(units) for label in labels]
    counts = np.zeros((len(units), len(known)), np.int64)
    if places:
        np.add.at(counts, tuple(np.array(places).T), 1)
    return counts


def percent_agreement(units: Iterable[Labels] | Counts) -> float | None:
    """Return the share of agreeing pairs among all pairs of labels on one unit."""
    counts = _counted(units)
    total = int(_pairs(counts.sum(axis=1)).sum())
    return int(_pairs(counts).sum()) / total if total else None


def agreement_interval(units: Iterable[Labels] | Counts) -> tuple[float, float] | None:
    """Return the 95 % Wilson interval of percent_agreement, over the effective number of independent units.

    Pairs of labels on one unit are not independent, so a unit counts once, however many labels it has; where some have
    more than others, the number is the effective one of L. Kish, Survey Sampling (1965), section 8.2.
    """
    counts = _counted(units)
    agreement, weights = percent_agreement(counts), _pairs(counts.sum(axis=1)).astype(np.float64)
    if agreement is None:
        return None
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    return wilson(agreement * effective, effective, SHOWN_CONFIDENCE)


def cohen(pairs: Iterable[tuple[Hashable, Hashable]] | npt.NDArray[np.int8]) -> float | None:
    """Return Cohen's kappa of two people who labelled the same units; pairs may be an array, (units, 2).

    J. Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960), eq. 1.
    """
    if not isinstance(pairs, np.ndarray):
        known: dict[Hashable, int] = {}
        codes = [[known.setdefault(label, len(known)) for label in pair] for pair in pairs]
        pairs = np.array(codes, np.int8).reshape(-1, 2)
    labels, places = np.unique(pairs, return_inverse=True)
    if len(labels) < 2:
        return None
    table = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(table, tuple(places.reshape(-1, 2).T), 1)
    from statsmodels.stats.inter_rater import cohens_kappa  # noqa: PLC0415  # and pandas: no command must wait for it

    return float(cohens_kappa(table, return_results=False))


def fleiss(units: Iterable[Labels] | Counts) -> float | None:
    """Return Fleiss' kappa, over units with equally many labels, as it requires.

    Used are the units with one certain number of labels: the number, 2 or more, that uses the most labels. For all
    units see krippendorff. J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychol. Bull. 76
    (1971), eq. 7.
    """
    counts = _counted(units)
    sizes = counts.sum(axis=1)
    used = np.bincount(sizes) * np.arange(sizes.max(initial=0) + 1)
    used[:2] = 0
    most = used.max(initial=0)
    if not most:
        return None
    counts = counts[sizes == np.flatnonzero(used == most)[-1]]
    known = counts[:, counts.any(axis=0)]
    from statsmodels.stats.inter_rater import fleiss_kappa  # noqa: PLC0415  # and pandas: no command must wait for it

    return float(fleiss_kappa(known)) if known.shape[1] > 1 else None


def krippendorff(units: Iterable[Labels] | Counts) -> float | None:
    """Return Krippendorff's alpha for nominal labels; units may have any number, those with only one are left out.

    K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C:
    alpha = 1 - (n - 1) sum_c<>k o_ck / sum_c<>k n_c n_k, from the matrix o of coincidences.
    """
    counts = _counted(units)
    counts = counts[counts.sum(axis=1) > 1]
    sizes, totals = counts.sum(axis=1), counts.sum(axis=0)
    observed = float(((sizes**2 - (counts**2).sum(axis=1)) / (sizes - 1)).sum()) if len(sizes) else 0.0
    expected = int(totals.sum()) ** 2 - int((totals**2).sum())
    return 1 - (int(totals.sum()) - 1) * observed / expected if expected else None


def _counted(units: Iterable[Labels] | Counts) -> Counts:
    return units if isinstance(units, np.ndarray) else counts_of(units)


def _pairs(labels: Counts) -> Counts:
    return labels * (labels - 1)
