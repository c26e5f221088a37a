"""Choose the forward pass for a model: packed if a probe of this very model shows that it is correct, else plain."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from data.errors import ModelError
from trainer.forward.logprobs import Forward, Packed, Plain
from trainer.forward.packing import Group


def _ids(count: int, step: int) -> tuple[int, ...]:
    """Return ids without an obvious pattern that exist in any vocabulary."""
    return tuple(3 + i * step % 53 for i in range(1, count + 1))


_PROBE = (
    Group(_ids(40, 7), (_ids(24, 11), (4,), _ids(9, 13))),
    Group(_ids(3, 17), (_ids(17, 19), _ids(30, 23))),
)
_TOLERANCE = {torch.bfloat16: 5e-2, torch.float16: 1e-2}  # measured in bfloat16: rounding up to 2e-2, leaks from 9e-2
_TOLERANCE_FLOAT32 = 1e-4  # measured: rounding up to 1e-6


@dataclass(frozen=True, slots=True)
class ForwardChoice:
    """The forward pass chosen for a model, and the reason in words."""

    forward: Forward
    reason: str


@torch.no_grad()
def choose_forward(model: PreTrainedModel) -> ForwardChoice:
    """Choose the packed forward pass if a probe shows that it equals the plain one for this very model, else plain.

    The states must equal those of every sequence on its own, up to rounding. In half precision rounding could hide a
    leak from one completion into the next, so a completion's states must also not change with its neighbours. What the
    probe is too short to show, such as a sliding window, packed_attention.py checks. Raises ModelError when even the
    plain forward pass differs from every sequence on its own.
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
    except Exception as error:  # an unusual architecture can fail in any way
        return ForwardChoice(Plain(), f"plain: packing does not fit this model ({error})")
    if not (off <= tolerance and leak <= tolerance / 10):  # the leak is exactly 0 except in mixtures of experts
        size = max(off, leak)
        return ForwardChoice(
            Plain(), f"plain: packing changes what this model computes (states by {size:.1e} of their size)"
        )
    if not off_head <= tolerance / 100:  # the same product of the same numbers, if the head is a plain product
        return ForwardChoice(
            Plain(), f"plain: this model's head is more than a product (logits differ by {off_head:.1e})"
        )
    return ForwardChoice(Packed(), "packed")


def _leak(model: PreTrainedModel, states: Tensor) -> float:
    """Measure how far each group's last completion moves when the other completions change; states: the probe's."""
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
    """Return the norm of the difference, relative to the norm of what is expected."""
    return float((found.double() - expected.double()).norm() / expected.double().norm())
