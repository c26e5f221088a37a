"""Offline evaluation of a challenger: against the version that serves, and against the base.

Held-out pairs show whether it agrees more with people, fresh answers how its style changed. Whether that is good
enough is decided in app/versions/limits.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from data.errors import PromptError
from data.quality.share import SHOWN_CONFIDENCE, wilson
from data.records import Message, Sampling
from trainer.evaluation.contenders import Contenders
from trainer.evaluation.report import agreed, divergence, logps_of
from trainer.evaluation.scoring import Scorer
from trainer.forward.encoding import TokenPair
from trainer.forward.packing import Group
from trainer.interface.config import RoundConfig
from trainer.interface.intervals import interval_of_mean
from trainer.interface.manifest import Agreement, Divergence, Evaluation, Interval, Manner, Probe, RivalScores
from trainer.model.adapter import Adapter
from trainer.model.base import Base
from trainer.sampling.sampler import SampledRow

BASE = "base"
CHALLENGER = "challenger"
REFERENCE = "reference"
_ANSWERS, _LONG_ANSWERS = (
    64,
    32,
)  # half as many if answers are long: they still have more tokens, and take the larger part of a round
_LONG = 256  # tokens
_PROBE_SEED = 0  # the same in every round, so that answers differ by the version alone
_MOST_PROBES = 24
_PROBE_TOKENS = 128  # what a page can show side by side; a quarter of longest_answer where that is more


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves when a round starts, and its adapter."""

    name: str
    adapter: Adapter


@dataclass(frozen=True, slots=True)
class Samples:
    """Fresh answers to the same prompts with the same seeds, by contender; their statistics; answers to probes."""

    rows: Mapping[str, list[SampledRow]]
    manners: Mapping[str, Manner]
    probes: tuple[Probe, ...] = ()

    def groups(self, name: str) -> list[Group]:
        """Return a contender's answers as groups for the training forward pass."""
        return [Group(row.request.prompt_ids, (tuple(row.token_ids),)) for row in self.rows[name]]


@dataclass(frozen=True, slots=True)
class Exam:
    """What the contenders are tested on: held-out pairs, a number of fresh answers, and probes.

    champion: None for the base. Only the first few probes that the model can read are used, and their answers are kept
    short, since people read them.
    """

    champion: Champion | None
    heldout: Sequence[TokenPair]
    probes: Sequence[tuple[Message, ...]]
    sampling: Sampling
    answers: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all contenders."""
        return (BASE, CHALLENGER) if self.champion is None else (BASE, self.champion.name, CHALLENGER)

    @property
    def adapters(self) -> dict[str, Adapter | None]:
        """Adapters that the challenger is compared with, by name; None is the base."""
        return {BASE: None} if self.champion is None else {BASE: None, self.champion.name: self.champion.adapter}

    @property
    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """Pairs (version, rival) that are compared."""
        if self.champion is None:
            return ((CHALLENGER, BASE),)
        return ((CHALLENGER, BASE), (CHALLENGER, self.champion.name), (self.champion.name, BASE))

    def drawn(self, base: Base) -> int:
        """Return the total number of answers to sample."""
        return len(self.names) * (self.answers + len(self.asked(base)))

    @property
    def scored(self) -> int:
        """Upper bound of the groups to score besides the challenger's held-out pairs."""
        return len(self.comparisons) * self.answers + len(self.adapters) * len(self.heldout)

    def asked(self, base: Base) -> list[tuple[Message, ...]]:
        """Return the probes that are used."""
        return [prompt for prompt in self.probes if _readable(base, prompt)][:_MOST_PROBES]

    def probe_sampling(self, base: Base) -> Sampling:
        """Return the sampling settings for probes."""
        most = max(_PROBE_TOKENS, base.longest_answer // 4)
        return replace(self.sampling, max_new_tokens=min(most, self.sampling.max_new_tokens or most))


def fresh_answers(config: RoundConfig, base: Base) -> int:
    """Return how many answers each contender samples at temperature 1."""
    longest = config.sampling.max_new_tokens or base.longest_answer
    return config.answers or (_ANSWERS if longest <= _LONG else _LONG_ANSWERS)


def began_from(config: RoundConfig) -> str:
    """Return the name of the round's parent in the evaluation: the base, the champion, or "reference" for another."""
    match config.parent_sha256:
        case None:
            return BASE
        case config.champion_sha256:
            return config.champion
        case _:
            return REFERENCE


def draw_samples(
    base: Base,
    contenders: Contenders,
    exam: Exam,
    prompts: Sequence[tuple[Message, ...]],
    *,
    seed: int,
    ended: Callable[[], None] = lambda: None,
) -> Samples:
    """Sample the answers of all contenders in one stream: those at temperature 1, and those to probes."""
    limit, probes, sampling = exam.sampling.max_new_tokens, exam.asked(base), exam.probe_sampling(base)
    requests = []
    for name in exam.names:
        requests += contenders.requests(name, prompts, count=exam.answers, max_new_tokens=limit, seed=seed)
        requests += contenders.probes(name, probes, sampling, seed=_PROBE_SEED)
    drawn = contenders.draw(requests, ended)
    each = exam.answers + len(probes)
    of = {name: drawn[number * each : (number + 1) * each] for number, name in enumerate(exam.names)}
    return Samples(
        rows={name: rows[: exam.answers] for name, rows in of.items()},
        manners={name: contenders.manner(rows[: exam.answers]) for name, rows in of.items()},
        probes=tuple(
            Probe(prompt=prompt, answers={name: contenders.said(of[name][number]) for name in exam.names})
            for number, prompt in enumerate(probes, exam.answers)
        ),
    )


def evaluate(exam: Exam, samples: Samples, scorer: Scorer) -> Evaluation:
    """Compare a policy with the champion and the base. Uses no random numbers of the training."""
    found = {pair: _compare(exam.heldout, samples, scorer, *pair) for pair in exam.comparisons}
    champion = exam.champion.name if exam.champion else BASE
    return Evaluation(
        manner=samples.manners[CHALLENGER],
        against_base=found[CHALLENGER, BASE],
        against_champion=found[CHALLENGER, champion],
        champion=found.get((champion, BASE)),
        probes=samples.probes,
    )


def distance(samples: Samples, scorer: Scorer, name: str, rival: str) -> Divergence:
    """Return the divergence of one contender's fresh answers from a rival."""
    logps = scorer.logps(rival, samples.groups(name))
    rows = samples.rows[name]
    theirs = [logps[group][0] for group in samples.groups(name)]
    ratios = [sum(row.logprobs) - logp for row, logp in zip(rows, theirs, strict=True)]
    return divergence(ratios, [len(row.token_ids) for row in rows])


def _compare(heldout: Sequence[TokenPair], samples: Samples, scorer: Scorer, name: str, rival: str) -> RivalScores:
    groups = [pair.group for pair in heldout]
    before, after = scorer.logps(rival, groups), scorer.logps(name, groups)
    agreement = agreed(heldout, before=before, after=after)
    gains = (logps_of(heldout, after) - logps_of(heldout, before)) @ torch.tensor([1.0, -1.0]).double()
    return RivalScores(
        rival=rival,
        heldout=agreement,
        accuracy=_wilson(agreement),
        margin=interval_of_mean(gains.tolist()),
        kl=distance(samples, scorer, name, rival),
        manner=samples.manners[rival],
    )


def _wilson(agreement: Agreement) -> Interval | None:
    """Return the Wilson interval of an accuracy; a tie counts as half a hit."""
    if agreement.accuracy is None:
        return None
    low, high = wilson(agreement.accuracy * agreement.pairs, agreement.pairs, SHOWN_CONFIDENCE)
    return Interval(low=low, high=high)


def _readable(base: Base, prompt: Sequence[Message]) -> bool:
    try:
        base.prompt_ids(prompt)
    except PromptError:
        return False
    return True
