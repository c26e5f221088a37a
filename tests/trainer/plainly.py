"""The plain computation, as an oracle: every sequence on its own, with all its logits."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer.forward.logprobs import Forward
from trainer.forward.packing import Group
from trainer.model.lora import Lora, LoraStack

Ids = tuple[int, ...]


def alone(model: nn.Module, prompt: Ids, completion: Ids) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probability and state of each completion token, and the last state: nothing padded, nothing shared."""
    out = model(input_ids=torch.tensor([prompt + completion]), use_cache=False, output_hidden_states=True)
    steps = range(len(prompt) - 1, len(prompt) + len(completion) - 1)
    logps = torch.log_softmax(out.logits[0].float(), -1)
    states = out.hidden_states[-1][0]
    return torch.stack([logps[t, (prompt + completion)[t + 1]] for t in steps]), states[list(steps)], states[-1]


def all_alone(model: PreTrainedModel, some: list[Group]) -> tuple[Tensor, Tensor, Tensor]:
    found = [alone(model, group.prompt_ids, completion) for group in some for completion in group.completions]
    logps, states, ends = zip(*found, strict=True)
    return torch.cat(logps), torch.cat(states), torch.stack(ends)


def greedy(model: PreTrainedModel, prompt: Ids, count: int, **options: Any) -> list[int]:
    """The ids that transformers' own generate answers with at temperature 0."""
    generate: Any = model.generate  # transformers types it for a class that only type checkers see
    ids = torch.tensor([prompt], device=model.device)
    found = generate(input_ids=ids, max_new_tokens=count, do_sample=False, pad_token_id=0, **options)
    answer: list[int] = found[0, len(prompt) :].tolist()
    return answer


def templated(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Mapping[str, object]], **options: Any) -> str:
    """A conversation as transformers itself writes it."""
    turns: list[Any] = list(messages)
    return str(tokenizer.apply_chat_template(turns, tokenize=False, **options))


def grown(model: PreTrainedModel) -> Lora:
    """An adapter far from zero, so that A and B both have gradients."""
    lora = Lora.fresh(model, rank=4, alpha=8, seed=0)
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in lora.parameters.values():
            parameter.copy_(torch.randn(parameter.shape, generator=source) * 0.1)
    return lora


def gradient(total: Tensor, lora: Lora) -> Tensor:
    grads = torch.autograd.grad(total, list(lora.parameters.values()), allow_unused=True)
    return torch.cat([grad.flatten() for grad in grads if grad is not None])


def check(model: PreTrainedModel, forward: Forward, *, within: float = 1e-5) -> None:
    """Values (nats) and LoRA gradients (relative) on sequences of up to 50 tokens."""
    source = random.Random(0)

    def draw(length: int) -> Ids:
        return tuple(source.randrange(3, 64) for _ in range(length))

    some = [Group(draw(20), (draw(30), draw(9))), Group(draw(3), (draw(1), draw(25)))]
    lora, stack = grown(model), LoraStack(model)
    with stack.acting(lora):
        logps, expected = forward.token_logps(model, some), all_alone(model, some)[0]
    torch.testing.assert_close(logps, expected, rtol=0, atol=within)
    weights = torch.randn(len(logps), generator=torch.Generator().manual_seed(0))
    ours, theirs = gradient((logps * weights).sum(), lora), gradient((expected * weights).sum(), lora)
    assert theirs.norm() > 0.01
    assert (ours - theirs).norm() / theirs.norm() < within
