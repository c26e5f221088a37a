"""Whether a version differs measurably from the one that serves, according to its evaluation.

A version is promoted automatically only if its answers, and where possible its margin on held-out pairs, differ by more
than chance. Used by promotion.py, after the limits.
"""

from trainer.interface.manifest import Divergence, RivalScores


def not_told_by_answers(against: RivalScores) -> str | None:
    """Explain why fresh answers do not differ from the rival's; None if they do, or if that is unknown."""
    kl = against.kl
    if kl.seeds is None or kl.mean > kl.seeds:
        return None
    return f"it cannot be told from {against.rival}: its answers are {_far(kl, against.rival)}"


def not_told_by_pairs(against: RivalScores) -> str | None:
    """Explain why held-out pairs show no difference from the rival; None if they do, or if there are too few."""
    margin = against.margin
    if margin is None or not margin.low <= 0 <= margin.high:
        return None
    return (
        f"it cannot be told from {against.rival}: on {against.heldout.pairs} held-out pairs its margin is "
        f"{against.heldout.margin or 0.0:+.2f} nats, and the 95 % interval ({margin.low:+.2f} to {margin.high:+.2f}) "
        "holds 0"
    )


def told_by_answers_alone(against: RivalScores) -> str | None:
    """Explain that answers alone decide, because held-out pairs are too few; None if they are enough."""
    if against.margin is not None or against.kl.seeds is None:
        return None
    pairs = f"{against.heldout.pairs} held-out pairs are" if against.heldout.pairs != 1 else "1 held-out pair is"
    return f"{pairs} too few to compare, so that its answers alone decide: they are {_far(against.kl, against.rival)}"


def _far(kl: Divergence, rival: str) -> str:
    return (
        f"{kl.mean:.2f} nats an answer from those of {rival} (KL), where two seeds of one version make "
        f"up to {kl.seeds or 0.0:.2f}"
    )
