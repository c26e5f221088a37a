"""Log-probabilities of completions under the reference, computed once per snapshot by the training forward pass.

Not by the decode path, whose rounding differs (measured: 5e-5 nats in float32, 0.07 in bfloat16).
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from trainer.forward.logprobs import Forward, completion_logps
from trainer.forward.packing import Group
from trainer.forward.token_budget import TokenBudget
from trainer.model.policy import Policy

ReferenceLogps = dict[Group, tuple[float, ...]]


@torch.no_grad()
def group_logps(
    policy: Policy,
    forward: Forward,
    groups: Sequence[Group],
    budget: TokenBudget,
    *,
    done: Callable[[int], None] = lambda _: None,
) -> ReferenceLogps:
    """Return the summed logps of every completion of every group, under the adapters that are active now.

    done: called with the number of groups computed, after each part.
    """

    def work(part: list[Group]) -> ReferenceLogps:
        sums = torch.split(completion_logps(forward, policy.model, part), [len(group.completions) for group in part])
        done(len(part))
        return {group: tuple(found.tolist()) for group, found in zip(part, sums, strict=True)}

    different = list(dict.fromkeys(groups))
    parts = budget.each(different, lambda group: group.tokens, work)
    return {group: logps for part in parts for group, logps in part.items()}


def reference_logps(
    policy: Policy, forward: Forward, groups: Sequence[Group], budget: TokenBudget, *, file: Path, snapshot_sha256: str
) -> ReferenceLogps:
    """Return group_logps under the reference, read from the file if it is for these groups, else computed into it."""
    different = list(dict.fromkeys(groups))
    key = f"{snapshot_sha256} {type(forward).__name__} {_digest(different)}"
    flat = _read(file, key)
    if flat is None:
        with policy.reference():
            found = group_logps(policy, forward, different, budget)
        flat = torch.tensor([logp for group in different for logp in found[group]], dtype=torch.float64)
        part = file.with_suffix(".part")
        save_file({"logps": flat}, part, metadata={"key": key})
        part.replace(file)
    sums = torch.split(flat, [len(group.completions) for group in different])
    return {group: tuple(logps.tolist()) for group, logps in zip(different, sums, strict=True)}


def _read(file: Path, key: str) -> Tensor | None:
    """Return the stored values; None if the file has another key, is damaged or does not exist."""
    try:
        with safe_open(file, "pt") as stored:
            return stored.get_tensor("logps") if (stored.metadata() or {}).get("key") == key else None
    except (OSError, SafetensorError):
        return None


def _digest(groups: Sequence[Group]) -> str:
    digest = hashlib.sha256()
    for group in groups:
        digest.update(repr((group.prompt_ids, group.completions)).encode())
    return digest.hexdigest()
