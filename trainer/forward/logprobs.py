"""Log-probabilities of completions given prompts: the only place that decides which logit predicts which token.

The state at a completion's previous token (or at the prompt's last) predicts it, and only completion tokens count.
Two implementations give the same numbers: `Packed` computes a shared prompt once and never holds logits [B, T, V];
`Plain` gives the model every completion as its own padded sequence and works for any decoder.
trainer/forward/probe.py chooses between them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from data.errors import ModelError
from trainer.forward.packed_attention import packed_attention
from trainer.forward.packing import Group, owners, pack

TILE = 1 << 23  # logits held at a time: 32 MiB in float32
_NOT_WANTED = -100


class Forward(Protocol):
    """A forward pass for groups with N completion tokens in S completions."""

    def token_logps(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """Return the log-probability of every completion token, [N] float32, differentiable."""
        ...

    def token_logps_and_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """Return the same, and the last hidden state that predicts each token, [N, H]."""
        ...

    def end_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """Return the last hidden state at each completion's last token, [S, H]."""
        ...


class Packed:
    """Packs groups into one row without padding; runs the model's own modules with our attention."""

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
    """Runs every completion with its prompt as its own sequence, padded on the right; works with any decoder.

    Neither causal attention nor a recurrent state looks ahead, so the padding needs no mask, and models without masks
    or positions work too.
    """

    def token_logps(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """See Forward.token_logps."""
        return self.token_logps_and_states(model, groups)[0]

    def token_logps_and_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> tuple[Tensor, Tensor]:
        """See Forward.token_logps_and_states. Computes logits only from the first column that predicts a completion."""
        batch = pad(groups, device=model.device)
        first = int(batch.predicting.min())
        columns = torch.arange(first, batch.input_ids.shape[1] - 1, device=model.device)
        keep = {"logits_to_keep": columns} if model._supports_logits_to_keep() else {}  # type: ignore[operator]
        with _seen_by_head(model) as seen:
            out = model(input_ids=batch.input_ids, use_cache=False, **keep)
        logits, states = (each if keep else each[:, columns] for each in (out.logits, seen[-1]))
        wanted = torch.full(logits.shape[:2], _NOT_WANTED, device=model.device)
        at = batch.rows, batch.predicting - first
        wanted[at] = batch.targets
        logps = -F.cross_entropy(logits.float().transpose(1, 2), wanted, reduction="none", ignore_index=_NOT_WANTED)
        return logps[at], states[at]

    def end_states(self, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
        """See Forward.end_states."""
        batch = pad(groups, device=model.device)
        out = model.get_decoder()(input_ids=batch.input_ids, use_cache=False)  # type: ignore[no-untyped-call]
        states: Tensor = out.last_hidden_state[torch.arange(len(batch.ends), device=model.device), batch.ends]
        return states


@contextmanager
def _seen_by_head(model: PreTrainedModel) -> Iterator[list[Tensor]]:
    """Collect the states passed to the output head, which may differ from the states that the model returns."""
    seen: list[Tensor] = []
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        hook.remove()


def completion_logps(forward: Forward, model: PreTrainedModel, groups: Sequence[Group]) -> Tensor:
    """Return the summed log-probability of each completion, [S], in float64, as float32 loses digits in long sums."""
    logps = forward.token_logps(model, groups).double()
    return sum_by_owner(logps, groups)


def sum_by_owner(per_token: Tensor, groups: Sequence[Group]) -> Tensor:
    """Sum [N] over the tokens of each completion; returns [S]."""
    count = sum(len(group.completions) for group in groups)
    return per_token.new_zeros(count).index_add(0, owners(groups, device=per_token.device), per_token)


@dataclass(frozen=True, slots=True)
class Padded:
    """Completions with their prompts, padded on the right, starting at column 0.

    input_ids [S, T]. For each completion token, [N]: its row, the column that predicts it, and its id as the target.
    ends [S]: the column of each completion's last token.
    """

    input_ids: Tensor
    rows: Tensor
    predicting: Tensor
    targets: Tensor
    ends: Tensor


def pad(groups: Sequence[Group], *, device: torch.device) -> Padded:
    """Lay out one row for each completion of each group."""
    pairs = [(group.prompt_ids, completion) for group in groups for completion in group.completions]
    input_ids = torch.zeros(len(pairs), max(len(prompt) + len(completion) for prompt, completion in pairs)).long()
    rows: list[int] = []
    predicting: list[int] = []
    targets: list[int] = []
    for row, (prompt, completion) in enumerate(pairs):
        input_ids[row, : len(prompt) + len(completion)] = torch.tensor(prompt + completion)
        rows += [row] * len(completion)
        predicting += range(len(prompt) - 1, len(prompt) + len(completion) - 1)
        targets += completion
    ends = [len(prompt) + len(completion) - 1 for prompt, completion in pairs]
    numbers = (torch.tensor(each, dtype=torch.long, device=device) for each in (rows, predicting, targets, ends))
    return Padded(input_ids.to(device), *numbers)


class _TiledLogps(torch.autograd.Function):
    """log softmax(h W^T + b)[target] in tiles of rows, computing its gradient with respect to h in the same pass.

    d logp / d h = W[target] - softmax(h W^T + b) W. This takes two matrix products per tile and keeps nothing of size
    V; recomputing the logits in the backward pass would take three. W and b are frozen.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:  # noqa: ANN401
        """states [N, H], weight [V, H], bias [V] or None, targets [N] -> [N] float32."""
        if weight.requires_grad:
            raise ModelError("the output head must be frozen")
        logps = torch.empty(states.shape[0], dtype=torch.float32, device=states.device)
        wanted = ctx.needs_input_grad[0]
        towards = torch.empty_like(states) if wanted else None
        tile = max(1, TILE // weight.shape[0])
        for at in range(0, states.shape[0], tile):
            rows = slice(at, at + tile)
            logits = F.linear(states[rows], weight, bias).float()
            target = targets[rows, None]
            picked = logits.gather(1, target)
            # softmax over the vocabulary in place: subtract the maximum, exponentiate, normalise by the sum
            logits.sub_(logits.amax(1, keepdim=True))
            shifted = logits.gather(1, target)
            mass = logits.exp_().sum(1, keepdim=True)
            logps[rows] = (shifted - mass.log()).squeeze(1)
            if towards is not None:
                # logits now hold exp(.): turn them into onehot(target) - softmax, then multiply by W
                logits.mul_(-1 / mass).scatter_add_(1, target, torch.ones_like(picked))
                towards[rows] = logits.to(weight.dtype) @ weight
        if towards is not None:
            ctx.save_for_backward(towards)
        return logps

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Return the gradient of the states: the stored one, scaled per token."""
        (towards,) = ctx.saved_tensors
        return (towards * grad[:, None]).to(towards.dtype), None, None, None
