"""Settings of a training where nothing is said: measured on two models, and in between by the number of parameters.

The built-in model of 1.6 M parameters and SmolLM2 of 135 M were studied (docs/benchmarks.md). What the two share holds
for every size; what they need otherwise goes from one to the other by a power of the parameters, so that models of
nearly the same size get nearly the same. Above the larger one the learning rate goes on falling that way, and all else
stays: nothing was measured there.
"""

import math
from collections.abc import Mapping

_TOY, _REAL = 2_000_000, 135_000_000
_RATES = (1e-3, 2e-4)  # peaks of the learning rate; LoRA bears more than full weights do
_PPO_RATES = (2e-3, 4e-4)  # twice as much, as PPO's clipped steps asked for on the built-in model
_EPOCHS = (4.0, 2.0)  # a model of a few million needs many small steps to move at all

# Batches of 2, because with few pairs steps decide: on 15 pairs, 3 epochs of 8 were 6 steps, which changed nothing. The
# SFT term gives as many wins at half the KL. Rank 2 learned less, rank 16 followed even coin tosses.
_SHARED: Mapping[str, object] = {"rank": 8, "alpha": 24, "min_steps": 40}
_PAIRWISE: Mapping[str, object] = {"batch_size": 2, "sft_weight": 0.2, "heldout_checks": 3}
_KTO: Mapping[str, object] = {"batch_size": 8, "heldout_checks": 3}
_REWARD: Mapping[str, object] = {"batch_size": 4}


def defaults_of(algorithm: str, *, parameters: int) -> dict[str, object]:
    """The defaults of an algorithm for a model with so many parameters, where they are other than its type's."""
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
    """What a power law through both models gives; below the smaller and, unless onward, above the larger its value."""
    place = math.log(max(parameters, _TOY) / _TOY) / math.log(_REAL / _TOY)
    first, last = ends
    return float(first * (last / first) ** (place if onward else min(place, 1.0)))


def _rounded(value: float) -> float:
    """To two digits."""
    return float(f"{value:.2g}")
