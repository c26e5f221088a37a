"""What a base model can do here, tried before anybody judges: train a LoRA, answer with it, follow its template.

Each part is a few short passes. Whatever goes wrong, in whoever's code, is a ModelError of one line that names the
model, what it cannot do and the way out. Knows nothing of servers or rounds.
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

_TOKENS = 48  # of the pair that the step is made on, as packed
_RATE = 1e-2  # one step of AdamW, long enough to be seen
_ANSWER = 4  # tokens that are decoded
_WORDS = 300  # of what another's code says; some print a whole config
_ADAPTER = "check"
QUESTION: tuple[Message, ...] = ({"role": "user", "content": "How are you?"},)
"""What is asked where only an answer is wanted, whatever it says."""
_OTHER = "serve another model, or try a newer version of transformers"


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of one LoRA step: the way through the model, what a pass keeps in memory, and an adapter with proof."""

    forward: Forward
    reason: str
    activations: Activations
    adapter: Adapter
    canary: Canary


@dataclass(frozen=True, slots=True)
class Template:
    """What a chat template takes; what it does not is named, and left out when it comes."""

    plain: bool
    system: bool
    several_turns: bool
    ends_turns: bool
    marks_answer: bool

    def missing(self) -> tuple[str, ...]:
        """In words, what it does not do."""
        said = (
            (self.system, "takes no system turn"),
            (self.several_turns, "takes no conversation of several turns"),
            (self.ends_turns, "does not end an answer with a token that ends it"),
            (self.marks_answer, "does not say where the answer begins"),
        )
        return tuple(words for able, words in said if not able)


def check_training(base: Base, *, rank: int) -> Trained:
    """Make one LoRA step, and prove the way it went. Raises ModelError."""
    with explained(base, "cannot be trained"):
        chosen = choose_forward(base.model)
        policy = Policy.from_base(base, rank=rank, alpha=rank, seed=0)
        activations = count_activations(policy, chosen.forward)
        _step(policy, chosen.forward)
        pair = short_pair(_TOKENS)
        canary = make_canary(policy, chosen.forward, [CanaryAnswer(QUESTION, pair.completions[0])])
    return Trained(chosen.forward, chosen.reason, activations, policy.adapter(), canary)


def _step(policy: Policy, forward: Forward) -> None:
    """One optimiser step that makes an answer likelier."""
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
    """A sampler of this model. Raises ModelError whatever the model's own code raises."""
    with explained(base, "cannot be sampled"):
        return Sampler(base, max_rows=rows, max_adapters=max_adapters, max_rank=max_rank)


def check_model(base: Base, *, rank: int) -> Template:
    """All of it, with a sampler that is let go again. Raises ModelError."""
    trained = check_training(base, rank=rank)
    check_sampling(new_sampler(base, rows=2, max_adapters=1, max_rank=rank), trained)
    return check_template(base)


def check_sampling(sampler: Sampler, trained: Trained) -> None:
    """Decode a few tokens with the adapter of a step, and see that served it does what it did in training.

    The sampler is as it was at the end. Raises ModelError.
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
    """Try what the chat template takes. Raises ModelError when it refuses even a single question."""
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
    """Whether a template renders a conversation."""
    try:
        return bool(base.encode(turns))
    except Exception:  # a template may raise anything
        return False


@contextmanager
def explained(base: Base, cannot: str, way_out: str = _OTHER) -> Iterator[None]:
    """Turn whatever a model's own code raises within into one line."""
    try:
        yield
    except PrefloopError as error:
        if base.name in str(error):
            raise
        raise ModelError(f"model {base.name} {cannot}: {_line(error)}; {way_out}") from error
    except Exception as error:  # an architecture that is built otherwise can fail in any way
        raise ModelError(f"model {base.name} {cannot}: {_line(error)}; {way_out}") from error


def _line(error: Exception) -> str:
    """What an error says, in one line that can be read; its kind too, where it was not written for people."""
    words = " ".join(str(error).split())[:_WORDS].rstrip(".;")
    return words if isinstance(error, PrefloopError) and words else f"{type(error).__name__}: {words}".rstrip(": ")
