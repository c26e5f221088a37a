"""Log-probabilities of completions given prompts: the one place with the masking rule.

The state at a completion's previous token (or at the prompt's last) predicts it, and only completion tokens
count. Two ways give the same numbers: `Packed` computes a shared prompt once and never holds [B, T, V];
`Plain` gives the model every completion as a padded sequence of its own and works for any decoder. Knows nothing
of losses or adapters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from data.errors import ModelError
from trainer.packed_attention import packed_attention
from trainer.packing import Group, owners, pack

_TILE = 1 << 23  # logits held at a time: 32 MiB in float32


class Forward(Protocol):
    """A way through the model for groups with N completion tokens in S completions."""

    def token_logps(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """Log-probability of every completion token, [N] float32, differentiable."""
        ...

    def token_logps_and_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """The same, with the last hidden state that predicts each token, [N, H]."""
        ...

    def end_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """The last hidden state at each completion's last token, [S, H]."""
        ...


class Packed:
    """Groups in one row without padding, through the model's own modules and our attention."""

    def token_logps(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """See Forward.token_logps."""
        return self.token_logps_and_states(model, groups)[0]

    def token_logps_and_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """See Forward.token_logps_and_states."""
        packing = pack(groups, device=model.device)
        states = self._states(model, packing)[packing.predicting]
        head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
        logps: Tensor = _TiledLogps.apply(states, head.weight, getattr(head, "bias", None), packing.targets)  # type: ignore[no-untyped-call]
        return logps, states

    def end_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """See Forward.end_states."""
        packing = pack(groups, device=model.device)
        return self._states(model, packing)[packing.ends]

    def _states(self, model: PreTrainedModel, packing: Any) -> Tensor:  # noqa: ANN401
        with packed_attention(model):
            out = model.get_decoder()(  # type: ignore[no-untyped-call]
                input_ids=packing.input_ids, position_ids=packing.position_ids, use_cache=False, packing=packing
            )
        states: Tensor = out.last_hidden_state[0]
        return states


class Plain:
    """Every completion with its prompt as a sequence of its own, padded on the left: any decoder can do that."""

    def token_logps(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """See Forward.token_logps."""
        return self.token_logps_and_states(model, groups)[0]

    def token_logps_and_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """See Forward.token_logps_and_states. Logits exist for the last K columns, K the longest completion."""
        batch = pad(groups, device=model.device)
        keep = batch.completion_mask.shape[1]
        out = model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            position_ids=batch.position_ids,
            use_cache=False,
            logits_to_keep=keep + 1,
            output_hidden_states=True,
        )
        logits = out.logits[:, -keep - 1 : -1].float().transpose(1, 2)
        logps = -F.cross_entropy(logits, batch.input_ids[:, -keep:], reduction="none")
        states = out.hidden_states[-1][:, -keep - 1 : -1]
        return logps[batch.completion_mask], states[batch.completion_mask]

    def end_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """See Forward.end_states."""
        batch = pad(groups, device=model.device)
        out = model.get_decoder()(  # type: ignore[no-untyped-call]
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            position_ids=batch.position_ids,
            use_cache=False,
        )
        states: Tensor = out.last_hidden_state[:, -1]
        return states


def completion_logps(forward: Forward, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
    """Summed log-probability of each completion, [S], float64: a long sum of small terms loses in float32."""
    logps = forward.token_logps(model, groups).double()
    return sum_by_owner(logps, groups)


def sum_by_owner(per_token: Tensor, groups: Sequence[Group]) -> Tensor:
    """Sum [N] over the tokens of each completion, [S]."""
    count = sum(len(group.completions) for group in groups)
    return per_token.new_zeros(count).index_add(0, owners(groups, device=per_token.device), per_token)


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
class Chosen:
    """The way that a model takes, and in words why."""

    forward: Forward
    reason: str


@torch.no_grad()
def choose_forward(model: PreTrainedModel) -> Chosen:
    """Packed where a probe proves that it equals the plain computation for this very model, else plain.

    What the probe is too short for, an attention that ends at a window, packed_attention.py answers for. Raises
    ModelError when even the plain way differs from every sequence on its own.
    """
    tolerance = _TOLERANCE.get(model.dtype, _TOLERANCE_FLOAT32)
    single = [Group(group.prompt_ids, (completion,)) for group in _PROBE for completion in group.completions]
    alone = torch.cat([Plain().token_logps_and_states(model, [group])[1] for group in single])
    if not _distance(Plain().token_logps_and_states(model, _PROBE)[1], alone) <= tolerance:
        raise ModelError("this model answers otherwise when sequences are padded; it cannot be trained here")
    try:
        off = _distance(Packed().token_logps_and_states(model, _PROBE)[1], alone)
        off_head = _distance(*_logits_by_product_and_model(model))
    except Exception as error:  # an architecture that is built otherwise can fail in any way
        return Chosen(Plain(), f"plain: packing does not fit this model ({error})")
    if not off <= tolerance:
        return Chosen(Plain(), f"plain: packing changes what this model computes (states by {off:.1e} of their size)")
    if not off_head <= tolerance / 10:  # the same product of the same numbers, where it is a product
        return Chosen(Plain(), f"plain: this model's head is more than a product (logits differ by {off_head:.1e})")
    return Chosen(Packed(), "packed")


def _logits_by_product_and_model(model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    ids = torch.tensor([_PROBE[0].prompt_ids], device=model.device)
    out = model(input_ids=ids, use_cache=False, output_hidden_states=True)
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return F.linear(out.hidden_states[-1], head.weight, getattr(head, "bias", None)), out.logits


def _distance(found: Tensor, expected: Tensor) -> float:
    """Relative to the size of what is expected."""
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@dataclass(frozen=True, slots=True)
class Padded:
    """Completions with their prompts, padded on the left, so that all end in the last column.

    input_ids, attention_mask, position_ids: [S, T]. completion_mask [S, K], K the longest completion, marks in the
    last K columns the tokens that belong to a completion.
    """

    input_ids: Tensor
    attention_mask: Tensor
    position_ids: Tensor
    completion_mask: Tensor


def pad(groups: Sequence[Group], *, device: torch.device) -> Padded:
    """One row for each completion of each group."""
    rows = [(group.prompt_ids, completion) for group in groups for completion in group.completions]
    width = max(len(prompt) + len(completion) for prompt, completion in rows)
    last = max(len(completion) for _, completion in rows)
    input_ids = torch.zeros(len(rows), width, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    completion_mask = torch.zeros(len(rows), last, dtype=torch.bool)
    for i, (prompt, completion) in enumerate(rows):
        length = len(prompt) + len(completion)
        input_ids[i, width - length :] = torch.tensor(prompt + completion)
        attention_mask[i, width - length :] = 1
        completion_mask[i, last - len(completion) :] = True
    position_ids = (attention_mask.cumsum(1) - 1).clamp(min=0)
    return Padded(input_ids.to(device), attention_mask.to(device), position_ids.to(device), completion_mask.to(device))


class _TiledLogps(torch.autograd.Function):
    """log softmax(h W^T + b)[target] row by row in tiles, with its gradient towards h made on the way.

    d logp / d h = W[target] - softmax(h W^T + b) W. Two products a tile and nothing of size V is kept, where
    recomputing in the backward pass would take three. W and b are frozen.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:  # noqa: ANN401
        """states [N, H], weight [V, H], bias [V] or None, targets [N] -> [N] float32."""
        if weight.requires_grad:
            raise ModelError("the output head must be frozen")
        logps = torch.empty(states.shape[0], dtype=torch.float32, device=states.device)
        wanted = ctx.needs_input_grad[0]
        towards = torch.empty_like(states) if wanted else None
        tile = max(1, _TILE // weight.shape[0])
        for at in range(0, states.shape[0], tile):
            rows = slice(at, at + tile)
            logits = F.linear(states[rows], weight, bias).float()
            target = targets[rows, None]
            picked = logits.gather(1, target)
            logits.sub_(logits.amax(1, keepdim=True))
            shifted = logits.gather(1, target)
            mass = logits.exp_().sum(1, keepdim=True)
            logps[rows] = (shifted - mass.log()).squeeze(1)
            if towards is not None:
                logits.mul_(-1 / mass).scatter_add_(1, target, torch.ones_like(picked))
                towards[rows] = logits.to(weight.dtype) @ weight
        if towards is not None:
            ctx.save_for_backward(towards)
        return logps

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Gradient of the states."""
        (towards,) = ctx.saved_tensors
        return (towards * grad[:, None]).to(towards.dtype), None, None, None
