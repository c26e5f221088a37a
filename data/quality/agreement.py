"""How far people agree, by the published coefficients. Knows nothing of what a label means.

Labels are nominal: equal or not. A coefficient is 1 where all agree and 0 where they agree as if by chance. It is None
where it is not defined: without two labels on one thing, or when only one label was ever given.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from data.quality.share import SHOWN_CONFIDENCE, wilson

Labels = Sequence[Hashable]
"""What different people called one thing; it may be of any length."""


def percent_agreement(units: Iterable[Labels]) -> float | None:
    """The share of agreeing pairs among all pairs of labels on one unit."""
    agreeing = total = 0
    for labels in units:
        agreeing += sum(count * (count - 1) for count in Counter(labels).values())
        total += _pairs(labels)
    return agreeing / total if total else None


def agreement_interval(units: Sequence[Labels]) -> tuple[float, float] | None:
    """The 95 % interval of percent_agreement: Wilson's, over as many independent units as the pairs amount to.

    Pairs of labels on one unit are not independent, so a unit counts once, however many labels it has; where some have
    more than others, the number is the effective one of L. Kish, Survey Sampling (1965), section 8.2.
    """
    agreement, weights = percent_agreement(units), [_pairs(labels) for labels in units]
    if agreement is None:
        return None
    effective = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    return wilson(agreement * effective, effective, SHOWN_CONFIDENCE)


def cohen(pairs: Iterable[tuple[Hashable, Hashable]]) -> float | None:
    """Cohen's kappa of two people who both labelled each of some things.

    J. Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960), eq. 1.
    """
    counts = Counter(pairs)
    labels = list(dict.fromkeys(label for pair in counts for label in pair))
    if len(labels) < 2:
        return None
    table = [[counts[first, second] for second in labels] for first in labels]
    return float(cohens_kappa(np.array(table), return_results=False))


def fleiss(units: Iterable[Labels]) -> float | None:
    """Fleiss' kappa. It asks for equally many labels on each unit.

    Of the units, those with one certain number of labels are used: the number, 2 or more, that uses the most labels.
    The rest is for krippendorff. J. L. Fleiss, "Measuring nominal scale agreement among many raters", Psychol. Bull.
    76 (1971), eq. 7.
    """
    several = [labels for labels in units if len(labels) > 1]
    used = Counter[int]()
    for labels in several:
        used[len(labels)] += len(labels)
    size = max(used, key=lambda length: (used[length], length), default=0)
    counts = [Counter(labels) for labels in several if len(labels) == size]
    known = list(dict.fromkeys(label for count in counts for label in count))
    if len(known) < 2:
        return None
    return float(fleiss_kappa(np.array([[count[label] for label in known] for count in counts])))


def krippendorff(units: Iterable[Labels]) -> float | None:
    """Krippendorff's alpha for nominal labels; units may have any number of them, and one label alone is left out.

    K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C:
    alpha = 1 - (n - 1) sum_c<>k o_ck / sum_c<>k n_c n_k, from the matrix o of coincidences.
    """
    observed = 0.0
    totals = Counter[Hashable]()
    for labels in units:
        if len(labels) < 2:
            continue
        counts = Counter(labels)
        totals.update(counts)
        differing = len(labels) ** 2 - sum(count**2 for count in counts.values())
        observed += differing / (len(labels) - 1)
    expected = totals.total() ** 2 - sum(count**2 for count in totals.values())
    return 1 - (totals.total() - 1) * observed / expected if expected else None


def _pairs(labels: Labels) -> int:
    return len(labels) * (len(labels) - 1)
