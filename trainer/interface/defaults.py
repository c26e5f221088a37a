"""Default training settings: measured on two models, interpolated between them by the number of parameters.

The built-in model of 1.6 M parameters and SmolLM2 of 135 M were studied (docs/benchmarks.md). Settings that suit both
are used at every size; the others follow a power law in the parameters between the two, so that models of nearly the
same size get nearly the same settings. Above the larger model only the learning rate keeps falling by that law; nothing
was measured there.
"""

import math
from collections.abc import Mapping

_TOY, _REAL = 2_000_000, 135_000_000
_RATES = (1e-3, 2e-4)  # peak learning rates; LoRA tolerates higher ones than full fine-tuning
_PPO_RATES = (2e-3, 4e-4)  # twice as high, as PPO's clipped steps needed on the built-in model
_EPOCHS = (4.0, 2.0)  # a model of a few million parameters needs many small steps to change at all

# Batches of 2, because with few pairs the number of steps matters: on 15 pairs, 3 epochs of batch size 8 made 6 steps,
# which changed nothing. The SFT term gives as many wins at half the KL. Rank 2 learned less; rank 16 fitted even
# random labels.
_SHARED: Mapping[str, object] = {"rank": 8, "alpha": 24, "min_steps": 40}
_PAIRWISE: Mapping[str, object] = {"batch_size": 2, "sft_weight": 0.2, "heldout_checks": 3}
_KTO: Mapping[str, object] = {"batch_size": 8, "heldout_checks": 3}
_REWARD: Mapping[str, object] = {"batch_size": 4}


def defaults_of(algorithm: str, *, parameters: int) -> dict[str, object]:
    """Return an algorithm's defaults for a model of this size, where they differ from the defaults of its type."""
    rate = _rounded(_power(parameters, _RATES, onward=True))
    epochs = round(_power(parameters, _EPOCHS, onward=False))
    shared = {**_SHARED, "learning_rate": rate, "epochs": epochs}
    match algorithm:
        case "kto":
            return {**shared, **_KTO}
        case "ppo":
            own = {"learning_rate": _rounded(_power(parameters, _PPO_RATES, onward=True)), "epochs": 12, "min_steps": 0}
            return {**shared, **own, "reward": {**shared, **_REWARD}}
        case _:
            return {**shared, **_PAIRWISE}


def _power(parameters: int, ends: tuple[float, float], *, onward: bool) -> float:
    """Evaluate the power law through both models; clamped below the smaller and, unless onward, above the larger."""
    place = math.log(max(parameters, _TOY) / _TOY) / math.log(_REAL / _TOY)
    first, last = ends
    return float(first * (last / first) ** (place if onward else min(place, 1.0)))


def _rounded(value: float) -> float:
    """Round to two significant digits."""
    return float(f"{value:.2g}")
