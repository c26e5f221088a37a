"""What a round is told: validated settings, one type for each algorithm. Knows nothing of training."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator

from data.errors import RoundError
from data.records import Message, Sampling
from data.support.settings_types import Above, AtLeast, Count, FlipRate, Fraction, Positive, Strict
from trainer.interface.defaults import defaults_of
from trainer.interface.model_settings import AS_IT_COMES, ModelOptions, PromptFormat


class FromBase(Strict):
    """A fresh adapter on the base; the base is the reference."""

    kind: Literal["base"] = "base"


class FromVersion(Strict):
    """A version's adapter trains on; that version is the reference. The name "champion" is whoever serves."""

    kind: Literal["version"]
    name: str = "champion"


class FromMerged(Strict):
    """A fresh adapter on top of a version's, as if that were merged into the base: base and version are the reference.

    The result is one adapter with both ranks added, exactly.
    """

    kind: Literal["merged"]
    name: str = "champion"


Reference = Annotated[FromBase | FromVersion | FromMerged, Field(discriminator="kind")]

_BETA = 0.1  # of Rafailov 2023 and of most who came after
_FULL_BETA_TOKENS = 100


class Fitting(Strict):
    """What fitting an adapter takes, whatever to. learning_rate peaks after the warm-up (a share of the steps).

    min_steps: epochs are repeated until there are so many.
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
    """What all algorithms share.

    token_budget: tokens of one forward and backward pass, as packed; what fits into the free memory if None.
    max_tokens: longest prompt with its longest completion; the model's context if None. gradient_checkpointing: where
    memory asks for it if None. heldout_checks: how often held-out pairs are looked at on the way, to end when their
    margin has surely fallen (trainer/algorithms/early_stop.py); `ppo`, whose reward model stands between, does not.
    """

    token_budget: Positive | None = None
    max_tokens: Positive | None = None
    gradient_checkpointing: bool | None = None
    heldout_checks: Count = 0
    reference: Reference = FromBase()


class Pairwise(Training):
    """What losses on chosen and rejected share.

    strength_margin: how much more reward a chosen completion must win by for each point of strength above the
    weakest. sft_weight: weight of the chosen completion's own log-likelihood (RPO, Pang 2024, 2404.19733).
    """

    strength_margin: AtLeast = 0.0
    sft_weight: AtLeast = 0.0


class SummedBeta(Strict):
    """The beta of losses whose rewards are sums over a completion's tokens.

    beta: by the length of the completions if None. A sum grows with length, and the loss is as good as zero once beta
    times it is a few nats: at 0.1, answers of 450 tokens were done with after a few steps and next to nothing had been
    learned (docs/benchmarks.md). So 0.1 holds up to 100 tokens, and beyond them beta falls as length grows.
    """

    beta: Above | None = None

    def for_length(self, tokens: float) -> Self:
        """The same settings with a beta for completions of so many tokens on average, unless one was set."""
        if self.beta is not None:
            return self
        return self.model_copy(update={"beta": _BETA * min(1.0, _FULL_BETA_TOKENS / tokens)})

    @property
    def summed_beta(self) -> float:
        """The beta that was set, else that of short completions."""
        return _BETA if self.beta is None else self.beta


class DPOConfig(SummedBeta, Pairwise):
    """The sigmoid loss (Rafailov 2023, 2305.18290)."""

    algorithm: Literal["dpo"] = "dpo"


class CDPOConfig(SummedBeta, Pairwise):
    """DPO for labels that are flipped with some probability, conservative form (Mitchell 2023)."""

    algorithm: Literal["cdpo"]
    label_smoothing: FlipRate | Literal["measured"] = "measured"


class RobustConfig(SummedBeta, Pairwise):
    """DPO for labels that are flipped with some probability, unbiased form (Chowdhury 2024, 2403.00409)."""

    algorithm: Literal["robust"]
    label_smoothing: FlipRate | Literal["measured"] = "measured"


class IPOConfig(Pairwise):
    """Squared distance to a margin of 1/(2 beta) nats a token (Azar 2023, 2310.12036).

    A beta of 0.1, right for DPO, asks for 5 nats a token: measured, 165 nats of KL on the built-in model.
    """

    algorithm: Literal["ipo"]
    beta: Above = 1.0


class HingeConfig(SummedBeta, Pairwise):
    """The hinge loss of SLiC (Zhao 2023, 2305.10425)."""

    algorithm: Literal["hinge"]


class SimPOConfig(Pairwise):
    """Length-normalised and without a reference (Meng 2024, 2405.14734); gamma is the target margin."""

    algorithm: Literal["simpo"]
    beta: Above = 2.0
    gamma: AtLeast = 1.0


PairwiseConfig = DPOConfig | CDPOConfig | RobustConfig | IPOConfig | HingeConfig | SimPOConfig


class KTOConfig(SummedBeta, Training):
    """Ratings of single completions (Ethayarajh 2024, 2402.01306)."""

    algorithm: Literal["kto"]
    desirable_weight: Above = 1.0
    undesirable_weight: Above = 1.0


class RewardConfig(Fitting):
    """The reward model of a PPO round (Stiennon 2020, 2009.01325). What it shares with the policy stands there."""

    strength_margin: AtLeast = 0.0


class PPOConfig(Training):
    """A reward model on the pairs, then PPO against it (Schulman 2017, 1707.06347; Stiennon 2020).

    epochs is the number of rollout batches; each samples rollouts completions and learns from them ppo_epochs
    times in batches of batch_size. kl_coef is the penalty per nat to the reference; with kl_target it adapts
    (Ziegler 2019, 1909.08593, sec. 2.2). stop_kl ends a rollout batch's updates early when the policy has moved
    that many nats a token from where it sampled. value_coef weighs the value loss. unfinished_penalty comes off the
    score (whose deviation is 1) of an answer that the token limit cut off: the reward model has hardly seen such.
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
        """Different draws of a prompt in a rollout batch."""
        return self.rollouts // self.samples_per_prompt

    @property
    def prompts_per_step(self) -> int:
        """Of these, in one optimiser step."""
        return max(1, self.batch_size // self.samples_per_prompt)

    @property
    def steps_per_batch(self) -> int:
        """Optimiser steps on a rollout batch, without an early stop."""
        return self.ppo_epochs * -(-self.prompts_per_batch // self.prompts_per_step)


def _algorithm(given: Any) -> str:  # noqa: ANN401  # whatever a file says
    """DPO where nothing is said."""
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
    """Settings for a base model with so many parameters: what is given, and defaults for the rest.

    Where epochs are given, they alone say how long training lasts: no least steps, no early end unless these are given.
    Raises pydantic's ValidationError.
    """
    defaults = defaults_of(_algorithm(given), parameters=parameters)
    adapter: TypeAdapter[TrainingConfig] = TypeAdapter(TrainingConfig)
    return adapter.validate_python(_completed(defaults, given))


def _completed(defaults: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """What is given over the defaults, also within sections that both have."""
    both = ((key, defaults[key], given[key]) for key in defaults.keys() & given.keys())
    sections = {key: _completed(a, b) for key, a, b in both if isinstance(a, Mapping) and isinstance(b, Mapping)}
    lasting = {key: 0 for key in ("min_steps", "heldout_checks") if key in defaults and "epochs" in given}
    return {**defaults, **lasting, **given, **sections}


class RoundConfig(Strict):
    """Everything `python -m trainer ROUND_DIR` needs besides the snapshot.

    parent_sha256 is of the adapter in `parent/`, when the reference is a version. flip_rate is what the store
    measured of its annotators, None when too few pairs were judged twice. champion: the version that serves when the
    round begins, and what its result is compared with; champion_sha256: of the adapter in `champion/`, None for the
    base. probes: questions that all of them answer. answers: how many fresh ones each gives besides, None as
    trainer/evaluation/evaluation.py chooses. model_options: how the model is loaded.
    prompt_format: how it is asked; None in rounds that were frozen before that was recorded.
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
    """The share of flipped labels to reckon with: the configured number, or what the store measured.

    Raises RoundError when it is to be measured and was not.
    """
    if config.label_smoothing != "measured":
        return config.label_smoothing
    if flip_rate is None:
        raise RoundError(
            f"{config.algorithm} needs to know how often labels are flipped, and too few pairs were judged by two "
            "people to measure it; set label_smoothing to a number in [training], or let more pairs be judged twice"
        )
    return flip_rate
