"""Which way through a model the trainer takes: packed where a probe of this very model proves it right, else plain.

Knows nothing of what is trained.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from data.errors import ModelError
from trainer.forward.logprobs import Forward, Packed, Plain
from trainer.forward.packing import Group


def _ids(count: int, step: int) -> tuple[int, ...]:
    """Ids without a pattern that any vocabulary has."""
    return tuple(3 + i * step % 53 for i in range(1, count + 1))


_PROBE = (
    Group(_ids(40, 7), (_ids(24, 11), (4,), _ids(9, 13))),
    Group(_ids(3, 17), (_ids(17, 19), _ids(30, 23))),
)
_TOLERANCE = {torch.bfloat16: 5e-2, torch.float16: 1e-2}  # seen: rounding up to 2e-2 in bfloat16, leaks from 9e-2
_TOLERANCE_FLOAT32 = 1e-4  # seen: rounding up to 1e-6


@dataclass(frozen=True, slots=True)
class ForwardChoice:
    """The way that a model takes, and in words why."""

    forward: Forward
    reason: str


@torch.no_grad()
def choose_forward(model: PreTrainedModel) -> ForwardChoice:
    """Packed where a probe proves that it equals the plain computation for this very model, else plain.

    The states must be those of every sequence on its own, but for rounding; in half precision that could hide what
    leaks from one completion into the next, and so must not change when its neighbours do. What the probe is too
    short for, an attention that ends at a window, packed_attention.py answers for. Raises ModelError when even the
    plain way differs from every sequence on its own.
    """
    tolerance = _TOLERANCE.get(model.dtype, _TOLERANCE_FLOAT32)
    single = [Group(group.prompt_ids, (completion,)) for group in _PROBE for completion in group.completions]
    alone = torch.cat([Plain().token_logps_and_states(model, [group])[1] for group in single])
    if not _distance(Plain().token_logps_and_states(model, _PROBE)[1], alone) <= tolerance:
        raise ModelError("this model answers otherwise when sequences are padded; it cannot be trained here")
    try:
        packed = Packed().token_logps_and_states(model, _PROBE)[1]
        off, leak = _distance(packed, alone), _leak(model, packed)
        off_head = _distance(*_logits_by_product_and_model(model))
    except Exception as error:  # an architecture that is built otherwise can fail in any way
        return ForwardChoice(Plain(), f"plain: packing does not fit this model ({error})")
    if not (off <= tolerance and leak <= tolerance / 10):  # a leak of 0 but for a mixture of experts, which regroups
        size = max(off, leak)
        return ForwardChoice(
            Plain(), f"plain: packing changes what this model computes (states by {size:.1e} of their size)"
        )
    if not off_head <= tolerance / 100:  # the same product of the same numbers, where it is a product
        return ForwardChoice(
            Plain(), f"plain: this model's head is more than a product (logits differ by {off_head:.1e})"
        )
    return ForwardChoice(Packed(), "packed")


def _leak(model: PreTrainedModel, states: Tensor) -> float:
    """How far the last completion of each group moves when the others have other tokens; states are the probe's."""
    changed = [
        Group(group.prompt_ids, (*(tuple(i + 1 for i in ids) for ids in group.completions[:-1]), group.completions[-1]))
        for group in _PROBE
    ]
    last = [ids is group.completions[-1] for group in _PROBE for ids in group.completions for _ in ids]
    return _distance(Packed().token_logps_and_states(model, changed)[1][last], states[last])


def _logits_by_product_and_model(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([_PROBE[0].prompt_ids], device=model.device)
    out = model(input_ids=ids, use_cache=False, output_hidden_states=True)
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return F.linear(out.hidden_states[-1], head.weight, getattr(head, "bias", None)), out.logits


def _distance(found: Tensor, expected: Tensor) -> float:
    """Relative to the size of what is expected."""
    return float((found.double() - expected.double()).norm() / expected.double().norm())
