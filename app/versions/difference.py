"""Whether a version can be told from the one that serves, by what its evaluation measured.

Fewer losses are no proof, and neither is a margin that chance alone may have made. Knows nothing of limits, nor of what
becomes of a version.
"""

from trainer.interface.manifest import Divergence, RivalScores


def not_told_by_answers(against: RivalScores) -> str | None:
    """Why a version's fresh answers are no other than its rival's, in words; None if they are, or it is not known."""
    kl = against.kl
    if kl.seeds is None or kl.mean > kl.seeds:
        return None
    return f"it cannot be told from {against.rival}: its answers are {_far(kl, against.rival)}"


def not_told_by_pairs(against: RivalScores) -> str | None:
    """Why held-out pairs do not tell a version from its rival, in words; None if they do, or are too few for both."""
    margin = against.margin
    if margin is None or not margin.low <= 0 <= margin.high:
        return None
    return (
        f"it cannot be told from {against.rival}: on {against.heldout.pairs} held-out pairs its margin is "
        f"{against.heldout.margin or 0.0:+.2f} nats, and the 95 % interval ({margin.low:+.2f} to {margin.high:+.2f}) "
        "holds 0"
    )


def told_by_answers_alone(against: RivalScores) -> str | None:
    """What a promotion rests on where held-out pairs are too few, in words; None where they are not."""
    if against.margin is not None or against.kl.seeds is None:
        return None
    pairs = f"{against.heldout.pairs} held-out pairs are" if against.heldout.pairs != 1 else "1 held-out pair is"
    return f"{pairs} too few to compare, so that its answers alone decide: they are {_far(against.kl, against.rival)}"


def _far(kl: Divergence, rival: str) -> str:
    return (
        f"{kl.mean:.2f} nats an answer from those of {rival} (KL), where two seeds of one version make "
        f"up to {kl.seeds or 0.0:.2f}"
    )
