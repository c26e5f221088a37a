"""Validated settings of a round, one type per algorithm. Written by the server, read by the trainer."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from data.errors import RoundError
from data.records import Message, Sampling
from data.support.settings_types import Above, AtLeast, Count, FlipRate, Fraction, Positive, Strict
from trainer.interface.defaults import defaults_of
from trainer.interface.model_settings import AS_IT_COMES, ModelOptions, PromptFormat


class FromBase(Strict):
    """Train a fresh adapter on the base model; the base is the reference."""

    kind: Literal["base"] = "base"


class FromVersion(Strict):
    """Continue training a version's adapter; that version is the reference. "champion" means the one now serving."""

    kind: Literal["version"]
    name: str = "champion"


class FromMerged(Strict):
    """Train a fresh adapter on the base with a version merged in; that merged model is the reference.

    The result is a single adapter whose rank is the sum of both ranks, with no loss of precision.
    """

    kind: Literal["merged"]
    name: str = "champion"


Reference = Annotated[FromBase | FromVersion | FromMerged, Field(discriminator="kind")]

_BETA = 0.1  # as in Rafailov 2023 and most later work
_FULL_BETA_TOKENS = 100  # longest mean completion for which it is used unchanged


class Fitting(Strict):
    """Settings of fitting an adapter to any loss. learning_rate: the peak after warm-up; warmup: a share of the steps.

    min_steps: epochs are repeated until this many steps are made.
    """

    learning_rate: Above = 5e-5
    epochs: Positive = 3
    min_steps: Count = 0
    batch_size: Positive = 8
    warmup: Fraction = 0.1
    max_grad_norm: Above = 1.0
    rank: Positive = 16
    alpha: Positive = 32
    checkpoint_every: Positive = 10


class Training(Fitting):
    """Settings that all algorithms share.

    token_budget: tokens per packed forward and backward pass; None: as many as fit into free memory.
    max_tokens: longest prompt plus its longest completion; None: the model's context. gradient_checkpointing: None:
    only where memory requires it. heldout_checks: how often the held-out pairs are checked during training, to stop
    early once their margin has significantly fallen (trainer/algorithms/early_stop.py). `ppo` ignores it, since it
    trains against a reward model.
    """

    token_budget: Positive | None = None
    max_tokens: Positive | None = None
    gradient_checkpointing: bool | None = None
    heldout_checks: Count = 0
    reference: Reference = FromBase()


class Pairwise(Training):
    """Settings that losses on chosen and rejected completions share.

    strength_margin: extra reward margin required of the chosen completion per point of strength above the
    weakest. sft_weight: weight of the chosen completion's own log-likelihood (RPO, Pang 2024, 2404.19733).
    """

    strength_margin: AtLeast = 0.0
    sft_weight: AtLeast = 0.0


class SummedBeta(Strict):
    """The beta of losses whose rewards are sums over a completion's tokens.

    beta: None: chosen by the mean length of the completions. A sum grows with length, and the loss is almost zero once
    beta times the sum is a few nats: with 0.1, the loss on answers of 450 tokens vanished after a few steps, before
    much was learned (docs/benchmarks.md). So beta is 0.1 up to 100 tokens, and falls in proportion to length beyond.
    """

    beta: Above | None = None

    def for_length(self, tokens: float) -> Self:
        """Return these settings with a beta for completions of this mean length in tokens, unless one was set."""
        if self.beta is not None:
            return self
        return self.model_copy(update={"beta": _BETA * min(1.0, _FULL_BETA_TOKENS / tokens)})

    @property
    def summed_beta(self) -> float:
        """The beta that was set, else the one for short completions."""
        return _BETA if self.beta is None else self.beta


class DPOConfig(SummedBeta, Pairwise):
    """Sigmoid loss (DPO, Rafailov 2023, 2305.18290)."""

    algorithm: Literal["dpo"] = "dpo"


class CDPOConfig(SummedBeta, Pairwise):
    """DPO with labels flipped at some probability, conservative form (Mitchell 2023)."""

    algorithm: Literal["cdpo"]
    label_smoothing: FlipRate | Literal["measured"] = "measured"


class RobustConfig(SummedBeta, Pairwise):
    """DPO with labels flipped at some probability, unbiased form (Chowdhury 2024, 2403.00409)."""

    algorithm: Literal["robust"]
    label_smoothing: FlipRate | Literal["measured"] = "measured"


class IPOConfig(Pairwise):
    """Squared distance to a margin of 1/(2 beta) nats per token (IPO, Azar 2023, 2310.12036).

    A beta of 0.1, right for DPO, would ask for 5 nats per token: measured, 165 nats of KL on the built-in model.
    """

    algorithm: Literal["ipo"]
    beta: Above = 1.0


class HingeConfig(SummedBeta, Pairwise):
    """Hinge loss of SLiC (Zhao 2023, 2305.10425)."""

    algorithm: Literal["hinge"]


class SimPOConfig(Pairwise):
    """Length-normalised loss without a reference (SimPO, Meng 2024, 2405.14734); gamma is the target margin."""

    algorithm: Literal["simpo"]
    beta: Above = 2.0
    gamma: AtLeast = 1.0


PairwiseConfig = DPOConfig | CDPOConfig | RobustConfig | IPOConfig | HingeConfig | SimPOConfig


class KTOConfig(SummedBeta, Training):
    """KTO on ratings of single completions (Ethayarajh 2024, 2402.01306)."""

    algorithm: Literal["kto"]
    desirable_weight: Above = 1.0
    undesirable_weight: Above = 1.0


class RewardConfig(Fitting):
    """The reward model of a PPO round (Stiennon 2020, 2009.01325). Settings shared with the policy are in PPOConfig."""

    strength_margin: AtLeast = 0.0


class PPOConfig(Training):
    """Train a reward model on the pairs, then run PPO against it (Schulman 2017, 1707.06347; Stiennon 2020).

    epochs: number of rollout batches; each samples `rollouts` completions and learns from them ppo_epochs times in
    batches of batch_size. kl_coef: penalty per nat of KL to the reference; with kl_target it adapts (Ziegler 2019,
    1909.08593, sec. 2.2). stop_kl: end a rollout batch's updates early once the policy has moved this many nats per
    token from where it sampled. value_coef: weight of the value loss. unfinished_penalty: subtracted from the score
    (whose standard deviation is 1) of a completion cut off by the token limit, since the reward model has hardly seen
    any.
    """

    algorithm: Literal["ppo"]
    reward: RewardConfig = RewardConfig()
    epochs: Positive = 20
    batch_size: Positive = 16
    rollouts: Positive = 64
    samples_per_prompt: Positive = 2
    ppo_epochs: Positive = 4
    kl_coef: AtLeast = 0.05
    kl_target: Above | None = None
    clip: Above = 0.2
    value_clip: Above = 0.2
    value_coef: AtLeast = 0.1
    unfinished_penalty: AtLeast = 1.0
    gamma: Fraction = 1.0
    lam: Fraction = 0.95
    stop_kl: Above = 0.1

    @model_validator(mode="after")
    def _rollouts_are_whole_prompts(self) -> Self:
        if self.rollouts % self.samples_per_prompt:
            raise ValueError(f"rollouts must be a multiple of samples_per_prompt, {self.samples_per_prompt}")
        return self

    @property
    def prompts_per_batch(self) -> int:
        """Number of prompts drawn for a rollout batch."""
        return self.rollouts // self.samples_per_prompt

    @property
    def prompts_per_step(self) -> int:
        """Number of prompts in one optimiser step."""
        return max(1, self.batch_size // self.samples_per_prompt)

    @property
    def steps_per_batch(self) -> int:
        """Number of optimiser steps on a rollout batch, without an early stop."""
        return self.ppo_epochs * -(-self.prompts_per_batch // self.prompts_per_step)


def _algorithm(given: Any) -> str:  # noqa: ANN401  # any value a settings file may hold
    """Return the algorithm's name; "dpo" when none is given."""
    return str(given.get("algorithm", "dpo") if isinstance(given, Mapping) else given.algorithm)


TrainingConfig = Annotated[
    Annotated[DPOConfig, Tag("dpo")]
    | Annotated[CDPOConfig, Tag("cdpo")]
    | Annotated[RobustConfig, Tag("robust")]
    | Annotated[IPOConfig, Tag("ipo")]
    | Annotated[HingeConfig, Tag("hinge")]
    | Annotated[SimPOConfig, Tag("simpo")]
    | Annotated[KTOConfig, Tag("kto")]
    | Annotated[PPOConfig, Tag("ppo")],
    Discriminator(_algorithm),
]


def training_config(given: Mapping[str, object], *, parameters: int) -> TrainingConfig:
    """Build the training settings: the given values, and for the rest the defaults for a model of this size.

    When epochs is given, it alone decides how long training lasts: min_steps and heldout_checks then default to 0.
    Raises pydantic's ValidationError.
    """
    defaults = defaults_of(_algorithm(given), parameters=parameters)
    adapter: TypeAdapter[TrainingConfig] = TypeAdapter(TrainingConfig)
    return adapter.validate_python(_completed(defaults, given))


def _completed(defaults: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Merge the given values over the defaults, recursing into sections that both have."""
    both = ((key, defaults[key], given[key]) for key in defaults.keys() & given.keys())
    sections = {key: _completed(a, b) for key, a, b in both if isinstance(a, Mapping) and isinstance(b, Mapping)}
    lasting = {key: 0 for key in ("min_steps", "heldout_checks") if key in defaults and "epochs" in given}
    return {**defaults, **lasting, **given, **sections}


class RoundConfig(Strict):
    """Everything `python -m trainer ROUND_DIR` needs besides the snapshot.

    parent_sha256: hash of the adapter in `parent/`, when the reference is a version. flip_rate: the annotators' flip
    rate as measured in the store, None when too few pairs were judged twice. champion: the version that serves when
    the round starts; the result is compared with it. champion_sha256: hash of the adapter in `champion/`, None for the
    base. probes: fixed prompts that every contender answers. answers: number of fresh answers each contender also
    samples; None: chosen by trainer/evaluation/evaluation.py. model_options: how the model is loaded.
    prompt_format: how prompts are rendered; None in rounds frozen before it was recorded.
    """

    model: str
    model_options: ModelOptions = AS_IT_COMES
    prompt_format: PromptFormat | None = None
    revision: str
    seed: int
    training: TrainingConfig = DPOConfig()
    sampling: Sampling = Sampling()
    flip_rate: FlipRate | None = None
    parent_sha256: str | None = None
    champion: str = "base"
    champion_sha256: str | None = None
    probes: tuple[tuple[Message, ...], ...] = ()
    answers: Annotated[int, Field(ge=2)] | None = None


def label_smoothing(config: CDPOConfig | RobustConfig, flip_rate: float | None) -> float:
    """Return the assumed share of flipped labels: the configured number, or the rate measured in the store.

    Raises RoundError when it is "measured" and no rate is known.
    """
    if config.label_smoothing != "measured":
        return config.label_smoothing
    if flip_rate is None:
        raise RoundError(
            f"{config.algorithm} needs to know how often labels are flipped, and too few pairs were judged by two "
            "people to measure it; set label_smoothing to a number in [training], or let more pairs be judged twice"
        )
    return flip_rate
