"""Run one training round: read the round directory, train, evaluate, write the adapter and the manifest.

All input comes from the directory; no store and no server are needed. Called by `trainer.process`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import assert_never

from data.errors import RoundError
from trainer.algorithms.dpo import PreferenceObjective, train_on_pairs
from trainer.algorithms.early_stop import watch_heldout
from trainer.algorithms.kto import KTOExample, KTOObjective, examples, ratings_of, train_on_ratings
from trainer.algorithms.ppo import Actor, train_by_ppo
from trainer.algorithms.training_run import RunContext
from trainer.evaluation.canary import make_canary
from trainer.evaluation.contenders import Contenders, rows_for
from trainer.evaluation.evaluation import (
    CHALLENGER,
    Champion,
    Exam,
    Samples,
    began_from,
    distance,
    draw_samples,
    evaluate,
    fresh_answers,
)
from trainer.evaluation.report import agreed, drift
from trainer.evaluation.scoring import Scorer
from trainer.forward.activation_count import count_activations
from trainer.forward.logprobs import Forward
from trainer.forward.memory_choice import MemoryChoice, choose
from trainer.forward.probe import ForwardChoice, choose_forward
from trainer.forward.reference import ReferenceLogps, reference_logps
from trainer.forward.token_budget import TokenBudget, peak_memory_mb
from trainer.interface.adapter_files import directory_sha256
from trainer.interface.config import (
    FromBase,
    FromMerged,
    FromVersion,
    KTOConfig,
    Pairwise,
    PPOConfig,
    RoundConfig,
    Training,
)
from trainer.interface.manifest import Manifest, Progress, Report, RewardReport
from trainer.interface.round_dir import RoundDir
from trainer.model.adapter import Adapter, read_adapter
from trainer.model.base import Base, load_base
from trainer.model.policy import Policy
from trainer.preflight.memory_estimate import free_bytes
from trainer.progress import EvaluationProgress, RoundClock
from trainer.round_data import Data, read_data, unasked, with_beta

_SOFTWARE = ("prefloop", "torch", "transformers", "peft")
_ANY_RANK = 1 << 20


@dataclass(frozen=True, slots=True)
class RoundRun:
    """A round in progress: its inputs, loaded and checked. `notes` are messages for people; they go into the report."""

    directory: RoundDir
    config: RoundConfig
    snapshot_sha256: str
    policy: Policy
    forward: ForwardChoice
    data: Data
    notes: list[str]
    budget: TokenBudget
    stop: Callable[[], bool]
    clock: RoundClock

    def run(self) -> RunContext:
        """Return the context that a training run needs."""
        return RunContext(
            self.directory, self.config.training, self.config.seed, self.stop, self.clock.tell, self.budget
        )

    def kto_examples(self) -> list[KTOExample]:
        """Return KTO's training examples; empty for other algorithms."""
        if not isinstance(self.config.training, KTOConfig):
            return []
        ratings = [*ratings_of(self.data.train), *self.data.rated]
        return examples(ratings, seed=self.config.seed, context=self.policy.base.context)


def run_round(directory: RoundDir, stop: Callable[[], bool], *, base: Base | None = None) -> Manifest:
    """Run a round, resuming where an earlier attempt stopped; returns the manifest, which is written last.

    base: the model, if it is already loaded.

    Raises RoundError when the directory is incomplete or was changed, when the base model differs from the one the
    round was frozen for, when training fails, or when `stop` returns true (after writing a checkpoint).
    """
    round_ = open_round(directory, stop, base)
    reference = _reference(round_)
    steps, reward = _train(round_, reference)
    manifest = _measure(round_, reference, steps, reward)
    directory.set_manifest(manifest)
    return manifest


def start_policy(base: Base, config: RoundConfig, parent: Adapter | None) -> Policy:
    """Create the policy a round starts from. Raises RoundError when the reference is a version but parent is None."""
    settings = config.training
    match settings.reference:
        case FromBase():
            return Policy.from_base(base, rank=settings.rank, alpha=settings.alpha, seed=config.seed)
        case FromVersion() if parent:
            return Policy.from_version(base, parent)
        case FromMerged() if parent:
            return Policy.on_merged(base, parent, rank=settings.rank, alpha=settings.alpha, seed=config.seed)
        case _:
            raise RoundError(
                f"the reference is {_reference_name(config)}, but its adapter is not in the round directory"
            )


def open_round(directory: RoundDir, stop: Callable[[], bool], base: Base | None) -> RoundRun:
    """Read and check the directory, load the model, tokenize the data, and choose the token budget."""
    clock = RoundClock(directory)
    snapshot_sha256 = directory.snapshot_sha256()
    config = directory.config()
    clock.tell(Progress(phase="loading"))
    base = base or load_base(config.model, options=config.model_options)
    base = base.under(config.prompt_format or base.former)
    if base.revision != config.revision:
        raise RoundError(
            f"the model {config.model} has changed since the round was frozen "
            f"({config.revision} then, {base.revision} now); start a new round"
        )
    data = read_data(directory, base, config)
    policy = start_policy(base, config, _frozen_adapter(directory.parent, config.parent_sha256, base))
    forward = choose_forward(base.model)
    chosen = _memory(directory, config.training, policy, forward.forward, data)
    notes = [*data.cuts.notes(), *unasked(base, config.probes), *chosen.notes]
    config = with_beta(config, data, notes.append)
    policy.recompute_above = chosen.use.recompute_above
    budget = TokenBudget(chosen.use.token_budget, notes.append)
    return RoundRun(directory, config, snapshot_sha256, policy, forward, data, notes, budget, stop, clock)


def _memory(directory: RoundDir, training: Training, policy: Policy, forward: Forward, data: Data) -> MemoryChoice:
    """Choose the token budget and store it in the directory, where the server halves it after an out-of-memory kill."""
    device = policy.model.device
    chosen = choose(
        training,
        count_activations(policy, forward),
        longest=max(group.tokens for group in data.groups()),
        free=free_bytes(device),  # measured after the count, which has loaded the weights into memory
        cpu=device.type == "cpu",
        last=directory.memory(),
    )
    directory.set_memory(chosen.use)
    return chosen


def _frozen_adapter(path: Path, sha256: str | None, base: Base) -> Adapter | None:
    """Read an adapter frozen with the snapshot, if there is one. Raises RoundError when it changed since."""
    if sha256 is None:
        return None
    if directory_sha256(path) != sha256:
        raise RoundError(f"{path} was changed after it was frozen")
    return read_adapter(path, base.model, max_rank=_ANY_RANK)


def _reference(round_: RoundRun) -> ReferenceLogps:
    """Return the reference's log-probabilities of all examples, computed once per snapshot."""
    round_.clock.tell(Progress(phase="reference"))
    groups = [pair.group for pair in (*round_.data.train, *round_.data.heldout)]
    groups += [group for example in round_.kto_examples() for group in (example.rating.group, example.mismatched)]
    return reference_logps(
        round_.policy,
        round_.forward.forward,
        groups,
        round_.budget,
        file=round_.directory.reference,
        snapshot_sha256=round_.snapshot_sha256,
    )


def _train(round_: RoundRun, reference: ReferenceLogps) -> tuple[int, RewardReport | None]:
    """Train the policy with the configured algorithm; returns the number of steps and, for PPO, the reward report."""
    policy, forward, data, config = round_.policy, round_.forward.forward, round_.data, round_.config
    checks, say = config.training.heldout_checks, round_.notes.append
    watch = watch_heldout(policy, forward, data.heldout, reference, round_.budget, checks=checks, say=say)
    match config.training:
        case Pairwise() as training:
            objective = PreferenceObjective(policy, forward, training, reference, config.flip_rate)
            return train_on_pairs(round_.run(), objective, data.train, watch=watch), None
        case KTOConfig() as training:
            kto = KTOObjective(policy, forward, training, reference)
            return train_on_ratings(round_.run(), kto, round_.kto_examples(), watch=watch), None
        case PPOConfig() as training:
            actor = Actor(policy, forward)
            return train_by_ppo(
                round_.run(),
                training,
                actor,
                forward,
                data.train,
                data.heldout,
                max_new_tokens=config.sampling.max_new_tokens,
            )
        case never:
            assert_never(never)


def _measure(round_: RoundRun, reference: ReferenceLogps, steps: int, reward: RewardReport | None) -> Manifest:
    """Save the adapter, evaluate it and build the manifest; samples and log-probabilities are computed only once."""
    directory, config, policy, data = round_.directory, round_.config, round_.policy, round_.data
    round_.clock.tell(Progress(phase="measuring", step=steps, steps=steps))
    policy.save(directory.adapter)
    exam, start = _exam(round_), began_from(config)
    judged = [pair.group for pair in (*data.train, *data.heldout)]
    groups = exam.scored + len(judged)
    progress = EvaluationProgress(round_.clock.tell, answers=exam.drawn(policy.base), groups=groups)
    samples = _draw(round_, exam, progress)
    scorer = Scorer(
        policy,
        round_.forward.forward,
        round_.budget,
        name=CHALLENGER,
        others={**exam.adapters, start: policy.reference_adapter()},
        tell=progress.scored,
    )
    scorer.add(start, reference)
    here = scorer.logps(CHALLENGER, judged)
    evaluation = evaluate(exam, samples, scorer)
    report = Report(
        algorithm=config.training.algorithm,
        reference=_reference_name(config),
        forward=round_.forward.reason,
        train=agreed(data.train, before=reference, after=here),
        heldout=agreed(data.heldout, before=reference, after=here),
        drift=drift(distance(samples, scorer, CHALLENGER, start), samples.manners[CHALLENGER]),
        rated=len(data.rated),
        prompts_cut=data.cuts.prompts_cut,
        dropped=data.cuts.dropped,
        refused=len(data.cuts.refused),
        notes=tuple(round_.notes),
        reward=reward,
        seconds=round_.clock.seconds,
        memory_mb=peak_memory_mb(),
    )
    manifest = Manifest(
        snapshot_sha256=round_.snapshot_sha256,
        adapter_sha256=directory_sha256(directory.adapter),
        model=config.model,
        revision=config.revision,
        steps=steps,
        report=report,
        canary=make_canary(policy, round_.forward.forward, data.judged),
        software={name: version(name) for name in _SOFTWARE},
        evaluation=evaluation,
    )
    return manifest.model_copy(update={"report": report.model_copy(update={"seconds": round_.clock.seconds})})


def _draw(round_: RoundRun, exam: Exam, progress: EvaluationProgress) -> Samples:
    """Sample fresh answers from all contenders; the challenger answers with the adapter as saved on disk."""
    base, saved = round_.policy.base, read_adapter(round_.directory.adapter, round_.policy.model, max_rank=_ANY_RANK)
    contenders = Contenders(base, {**exam.adapters, CHALLENGER: saved}, rows=rows_for(base, exam.sampling))
    prompts, seed = round_.data.prompts, round_.config.seed
    return draw_samples(base, contenders, exam, prompts, seed=seed, ended=progress.answered)


def _exam(round_: RoundRun) -> Exam:
    config = round_.config
    adapter = _frozen_adapter(round_.directory.champion, config.champion_sha256, round_.policy.base)
    champion = None if adapter is None else Champion(config.champion, adapter)
    answers = fresh_answers(config, round_.policy.base)
    return Exam(champion, round_.data.heldout, config.probes, config.sampling, answers)


def _reference_name(config: RoundConfig) -> str:
    match config.training.reference:
        case FromBase():
            return "base"
        case FromVersion(name=name):
            return f"version {name}"
        case FromMerged(name=name):
            return f"base merged with {name}"
