"""A challenger before anyone sees it: against the version that serves, and against the base.

Held-out pairs say whether people would agree more, fresh answers what it has become. Knows nothing of what is good
enough: see app/limits.py.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from scipy import stats

from data.errors import PromptError
from data.quality.share import SHOWN_CONFIDENCE, wilson
from data.records import Message, Sampling
from trainer.adapter import Adapter
from trainer.base import Base
from trainer.contenders import Contenders
from trainer.generate import Row
from trainer.logprobs import Forward
from trainer.lora import Lora
from trainer.manifest import Agreement, Comparison, Evaluation, Interval, Manner, Probe
from trainer.memory import Budget
from trainer.policy import Policy, check_head
from trainer.reference import Reference, group_logps
from trainer.report import agreed, divergence, logps_of
from trainer.tokens import TokenPair

BASE = "base"
CHALLENGER = "challenger"
_PROBE_SEED = 0  # the same in every round, so that answers differ by the version alone


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves when a round begins, and its adapter."""

    name: str
    adapter: Adapter


@dataclass(frozen=True, slots=True)
class Samples:
    """Fresh answers to the same prompts with the same seeds, by who gave them."""

    contenders: Contenders
    rows: Mapping[str, list[Row]]

    def manner(self, name: str) -> Manner:
        """How one answers."""
        return self.contenders.manner(self.rows[name])


@dataclass(frozen=True, slots=True)
class Exam:
    """What a challenger is asked: held-out pairs, and probes answered by `sampling`. champion: None for the base."""

    champion: Champion | None
    heldout: Sequence[TokenPair]
    probes: Sequence[tuple[Message, ...]]
    sampling: Sampling

    @property
    def names(self) -> tuple[str, ...]:
        """Who is compared."""
        return (BASE, CHALLENGER) if self.champion is None else (BASE, self.champion.name, CHALLENGER)

    @property
    def adapters(self) -> dict[str, Adapter | None]:
        """Those who are compared with; None is the bare base."""
        return {BASE: None} if self.champion is None else {BASE: None, self.champion.name: self.champion.adapter}


def draw_samples(contenders: Contenders, exam: Exam, prompts: Sequence[tuple[Message, ...]], *, seed: int) -> Samples:
    """Fresh answers of everybody whom an exam compares, at temperature 1."""
    limit = exam.sampling.max_new_tokens
    rows = {name: contenders.samples(name, prompts, max_new_tokens=limit, seed=seed) for name in exam.names}
    return Samples(contenders, rows)


def evaluate(policy: Policy, forward: Forward, exam: Exam, samples: Samples, budget: Budget) -> Evaluation:
    """Compare a policy with the champion and the base. Draws nothing from any generator that trains."""
    logps = _heldout_logps(policy, forward, exam, budget)

    def compare(name: str, rival: str) -> Comparison:
        return _compare(exam.heldout, samples, logps, name, rival)

    against_base = compare(CHALLENGER, BASE)
    champion = exam.champion.name if exam.champion else None
    return Evaluation(
        manner=samples.manner(CHALLENGER),
        against_base=against_base,
        against_champion=compare(CHALLENGER, champion) if champion else against_base,
        champion=compare(champion, BASE) if champion else None,
        probes=_probes(policy.base, samples.contenders, exam),
    )


def _heldout_logps(policy: Policy, forward: Forward, exam: Exam, budget: Budget) -> dict[str, Reference]:
    """Log-probabilities of the held-out pairs under everybody, by the training forward pass."""
    groups = [pair.group for pair in exam.heldout]

    def under(acting: AbstractContextManager[None]) -> Reference:
        with acting:
            return group_logps(policy, forward, groups, budget)

    found = {BASE: under(policy.stack.acting()), CHALLENGER: under(policy.acting())}
    if exam.champion is not None:
        check_head(policy.base, exam.champion.adapter)
        found[exam.champion.name] = under(policy.stack.acting(Lora(exam.champion.adapter).freeze()))
    return found


def _compare(
    heldout: Sequence[TokenPair], samples: Samples, logps: Mapping[str, Reference], name: str, rival: str
) -> Comparison:
    agreement = agreed(heldout, before=logps[rival], after=logps[name])
    gains = (logps_of(heldout, logps[name]) - logps_of(heldout, logps[rival])) @ torch.tensor([1.0, -1.0]).double()
    return Comparison(
        rival=rival,
        heldout=agreement,
        accuracy=_wilson(agreement),
        margin=_student(gains.tolist()),
        kl=divergence(samples.contenders.log_ratios(samples.rows[name], rival)),
        manner=samples.manner(rival),
    )


def _wilson(agreement: Agreement) -> Interval | None:
    """Of an accuracy; half a pair, from a tie, counts as half a hit."""
    if agreement.accuracy is None:
        return None
    low, high = wilson(agreement.accuracy * agreement.pairs, agreement.pairs, SHOWN_CONFIDENCE)
    return Interval(low=low, high=high)


def _student(gains: Sequence[float]) -> Interval | None:
    """Student's interval of the mean; None for fewer than two."""
    if len(gains) < 2:
        return None
    error = stats.sem(gains)
    mean = float(torch.tensor(gains).double().mean())
    half = float(error * stats.t.ppf((1 + SHOWN_CONFIDENCE) / 2, len(gains) - 1))
    return Interval(low=mean - half, high=mean + half)


def _probes(base: Base, contenders: Contenders, exam: Exam) -> tuple[Probe, ...]:
    prompts = [prompt for prompt in exam.probes if _readable(base, prompt)]
    answers = {
        name: contenders.answers(name, prompts, exam.sampling, seed=_PROBE_SEED) if prompts else []
        for name in exam.names
    }
    return tuple(
        Probe(prompt=prompt, answers={name: answers[name][number] for name in exam.names})
        for number, prompt in enumerate(prompts)
    )


def _readable(base: Base, prompt: Sequence[Message]) -> bool:
    try:
        base.prompt_ids(prompt)
    except PromptError:
        return False
    return True
