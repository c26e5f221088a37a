"""What a gate was told of a round, once more from the round's own files, by other ways than evaluation.py."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from app.versions.limits import Limits
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base, load_base

Numbers = dict[str, float]


def heldout_again(directory: Path) -> dict[str, Numbers]:
    """How the trained adapter ranks the held-out pairs, compared with each rival that the round had, by its name.

    Each answer goes through transformers by itself, its adapter applied by PEFT, with all logits. accuracy: with
    Wilson's interval, as statsmodels has it; margin: in nats, with Student's.
    """
    base = _base(directory)
    rivals = {"base": None, **_champion(directory)}
    now = _logps(directory, directory / "adapter")
    assert base.model.dtype is torch.float32
    return {name: _compared(now - _logps(directory, adapter)) for name, adapter in rivals.items()}


def refusals_again(directory: Path, limits: Limits) -> Numbers:
    """The numbers by which a gate refuses: those on held-out pairs from these, the others from fresh answers' means.

    Only of limits on held-out pairs, against each rival, and on length, and only where the limits are not off.
    """
    found = heldout_again(directory)
    told = json.loads((directory / "manifest.json").read_text())["evaluation"]
    longer = told["manner"]["mean_length"] / told["against_champion"]["manner"]["mean_length"] - 1
    numbers: Numbers = {}
    for rival, again in found.items():
        for key in ("accuracy", "margin"):
            if (high := again[f"{key}_high"]) < float(getattr(limits, key)):
                numbers[f"{key} against {rival}"] = high
    for key, value, limit in (("longer", longer, limits.longer), ("shorter", -longer, limits.shorter)):
        if value > float(limit):
            numbers[key] = value
    return numbers


def told_of_heldout(comparison: Mapping[str, Any]) -> Numbers:
    """The same numbers as heldout_again has, as a manifest has them."""
    return {
        "accuracy": comparison["heldout"]["accuracy"],
        "accuracy_low": comparison["accuracy"]["low"],
        "accuracy_high": comparison["accuracy"]["high"],
        "margin": comparison["heldout"]["margin"],
        "margin_low": comparison["margin"]["low"],
        "margin_high": comparison["margin"]["high"],
    }


def _compared(shift: np.ndarray) -> Numbers:
    """Of how far chosen and rejected answers moved, in nats, [N, 2]."""
    gains = shift[:, 0] - shift[:, 1]
    hits = float((gains > 0).sum() + (gains == 0).sum() / 2)
    low, high = proportion_confint(hits, len(gains), alpha=0.05, method="wilson")
    ends = stats.t.interval(0.95, len(gains) - 1, loc=gains.mean(), scale=stats.sem(gains))
    return {
        "accuracy": hits / len(gains),
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "margin": float(gains.mean()),
        "margin_low": float(ends[0]),
        "margin_high": float(ends[1]),
    }


def _logps(directory: Path, adapter: Path | None) -> np.ndarray:
    """Log-probabilities of the chosen and the rejected answer of each held-out pair, in nats, [N, 2]."""
    base = _base(directory)
    model = base.model if adapter is None else PeftModel.from_pretrained(base.model, str(adapter))
    model.eval()
    return np.array([[_logp(model, prompt, ids) for ids in answers] for prompt, answers in _pairs(directory, base)])


@torch.no_grad()
def _logp(model: torch.nn.Module, prompt: tuple[int, ...], answer: tuple[int, ...]) -> float:
    ids = torch.tensor([prompt + answer])
    logps = model(input_ids=ids).logits[0].double().log_softmax(-1)
    return float(logps[len(prompt) - 1 : -1].gather(1, ids[0, len(prompt) :, None]).sum())


def _pairs(directory: Path, base: Base) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    for line in (directory / "heldout.jsonl").read_text(encoding="utf-8").split("\n"):
        if line:
            pair = json.loads(line)
            yield base.encode(pair["prompt"]), [tuple(pair[side]["token_ids"]) for side in ("chosen", "rejected")]


def _base(directory: Path) -> Base:
    """Afresh each time: PEFT changes the model that it is given."""
    return load_base(RoundDir(directory).config().model)


def _champion(directory: Path) -> dict[str, Path]:
    """The version that served when the round began; none where that was the base."""
    name = RoundDir(directory).config().champion
    return {} if name == "base" else {name: directory / "champion"}
