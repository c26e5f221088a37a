"""Check what a base model can do before annotation starts: train a LoRA, answer with it, render its chat template.

Each check is a few short passes. Any failure, in whichever library, becomes a one-line ModelError that names the model,
what it cannot do and what to do. Run at the server's start and by `prefloop model check`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from data.errors import AdapterError, ModelError, PrefloopError
from data.records import Message, Sampling
from trainer.evaluation.canary import CanaryAnswer, canary_prompt, make_canary, verify
from trainer.forward.activation_count import Activations, count_activations, short_pair
from trainer.forward.logprobs import Forward
from trainer.forward.probe import choose_forward
from trainer.interface.manifest import Canary
from trainer.model.adapter import Adapter
from trainer.model.base import Base
from trainer.model.policy import Policy
from trainer.sampling.sampler import Request, Sampler

_TOKENS = 48  # packed tokens of the pair that the step trains on
_RATE = 1e-2  # learning rate of the single AdamW step, large enough to have a visible effect
_ANSWER = 4  # tokens that are decoded
_WORDS = 300  # characters of a library's error; some print a whole config
_ADAPTER = "check"
QUESTION: tuple[Message, ...] = ({"role": "user", "content": "How are you?"},)
"""The question used where any answer will do."""
_OTHER = "serve another model, or try a newer version of transformers"


@dataclass(frozen=True, slots=True)
class Trained:
    """Result of one LoRA step: the forward pass used, what a pass keeps in memory, an adapter and its canary."""

    forward: Forward
    reason: str
    activations: Activations
    adapter: Adapter
    canary: Canary


@dataclass(frozen=True, slots=True)
class Template:
    """What a chat template supports; what it does not support is listed, and left out of conversations."""

    plain: bool
    system: bool
    several_turns: bool
    ends_turns: bool
    marks_answer: bool

    def missing(self) -> tuple[str, ...]:
        """Return in words what it does not support."""
        said = (
            (self.system, "takes no system turn"),
            (self.several_turns, "takes no conversation of several turns"),
            (self.ends_turns, "does not end an answer with a token that ends it"),
            (self.marks_answer, "does not say where the answer begins"),
        )
        return tuple(words for able, words in said if not able)


def check_training(base: Base, *, rank: int) -> Trained:
    """Make one LoRA step, with a verified forward pass. Raises ModelError."""
    with explained(base, "cannot be trained"):
        chosen = choose_forward(base.model)
        policy = Policy.from_base(base, rank=rank, alpha=rank, seed=0)
        activations = count_activations(policy, chosen.forward)
        _step(policy, chosen.forward)
        pair = short_pair(_TOKENS)
        canary = make_canary(policy, chosen.forward, [CanaryAnswer(QUESTION, pair.completions[0])])
    return Trained(chosen.forward, chosen.reason, activations, policy.adapter(), canary)


def _step(policy: Policy, forward: Forward) -> None:
    """Make one optimiser step that makes an answer likelier."""
    parameters = policy.lora.parameters.values()
    optimizer = torch.optim.AdamW(parameters, lr=_RATE, weight_decay=0.0)
    with policy.acting():
        loss = -forward.token_logps(policy.model, [short_pair(_TOKENS)]).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients or not all(bool(gradient.isfinite().all()) for gradient in gradients):
        raise ValueError("a step gives gradients that are not finite, or none")
    optimizer.step()


def new_sampler(base: Base, *, rows: int, max_adapters: int, max_rank: int) -> Sampler:
    """Create a sampler of this model. Raises ModelError whatever the model's own code raises."""
    with explained(base, "cannot be sampled"):
        return Sampler(base, max_rows=rows, max_adapters=max_adapters, max_rank=max_rank)


def check_model(base: Base, *, rank: int) -> Template:
    """Run all checks, with a temporary sampler. Raises ModelError."""
    trained = check_training(base, rank=rank)
    check_sampling(new_sampler(base, rows=2, max_adapters=1, max_rank=rank), trained)
    return check_template(base)


def check_sampling(sampler: Sampler, trained: Trained) -> None:
    """Decode a few tokens with the adapter of a step, and verify that serving it has the effect it had in training.

    Leaves the sampler as it was. Raises ModelError.
    """
    base, canary = sampler.base, trained.canary
    with explained(base, "cannot answer with an adapter"):
        sampler.load(_ADAPTER, trained.adapter)
        try:
            prompt = canary_prompt(canary, base)
            sampling = Sampling(max_new_tokens=_ANSWER)
            sampler.generate([Request(prompt, adapter, 0, sampling) for adapter in (_ADAPTER, None)])
            served, bare = (sampler.score(prompt, canary.token_ids, adapter) for adapter in (_ADAPTER, None))
            verify(canary, served=served, served_base=bare)
        except AdapterError as error:
            raise ModelError(
                f"model {base.name} cannot answer with an adapter as it was trained: {error}; {_OTHER}"
            ) from error
        finally:
            sampler.reset()
            sampler.unload(_ADAPTER)


def check_template(base: Base) -> Template:
    """Find out what the chat template supports. Raises ModelError when it rejects even a single question."""
    (user,) = QUESTION
    answer: Message = {"role": "assistant", "content": "Fine."}
    with explained(base, "cannot be asked", "give it another chat template, or serve another model"):
        asked = base.encode([user])
    if not asked:
        raise ModelError(f"model {base.name} cannot be asked: its chat template gives no tokens for a question")
    return Template(
        plain=base.plain_template,
        system=_takes(base, [{"role": "system", "content": "Be brief."}, user]),
        several_turns=_takes(base, [user, answer, user]),
        ends_turns=base.plain_template or bool(base.prompts.end_of_turn),
        marks_answer=base.prompts.render([user]) != base.prompts.render([user], prompt=False),
    )


def _takes(base: Base, turns: list[Message]) -> bool:
    """Return whether a template renders a conversation."""
    try:
        return bool(base.encode(turns))
    except Exception:  # a template may raise anything
        return False


@contextmanager
def explained(base: Base, cannot: str, way_out: str = _OTHER) -> Iterator[None]:
    """Turn any error of a model's own code within the block into a one-line ModelError."""
    try:
        yield
    except PrefloopError as error:
        if base.name in str(error):
            raise
        raise ModelError(f"model {base.name} {cannot}: {_line(error)}; {way_out}") from error
    except Exception as error:  # an unusual architecture can fail in any way
        raise ModelError(f"model {base.name} {cannot}: {_line(error)}; {way_out}") from error


def _line(error: Exception) -> str:
    """Describe an error in one readable line, with its type where it was not written for users."""
    words = " ".join(str(error).split())[:_WORDS].rstrip(".;")
    return words if isinstance(error, PrefloopError) and words else f"{type(error).__name__}: {words}".rstrip(": ")
