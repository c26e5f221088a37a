"""What a trainer reports: progress while it runs; canary, report and manifest at the end.

Written by the trainer, read by the server, the REST API and the pages.
"""

from pydantic import BaseModel, ConfigDict

from data.records import Message


class Progress(BaseModel):
    """Progress of a running trainer, in steps of its current phase. seconds_left: None until it can be estimated.

    seconds: time spent on the round so far, including attempts that were killed.
    """

    model_config = ConfigDict(frozen=True)
    phase: str
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    seconds: float = 0.0


class Canary(BaseModel):
    """An answer with its per-token log-probabilities under the trained policy, from the training forward pass.

    base_logprobs are the base model's on the same tokens. The server must reproduce both after loading the adapter
    (trainer/evaluation/canary.py), which proves that this adapter is in effect. prompt_ids: the prompt as tokenized
    at training time; None in canaries written by an older prefloop.
    """

    model_config = ConfigDict(frozen=True)
    prompt: tuple[Message, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    base_logprobs: tuple[float, ...]
    prompt_ids: tuple[int, ...] | None = None


class Agreement(BaseModel):
    """How well a policy ranks the judged pairs; all numbers are None without pairs.

    accuracy: share of pairs whose chosen completion gained more over the reference than the rejected one (the sign
    of DPO's implicit reward; a tie counts half); margin: by how many nats on average. ranking_before, ranking_after:
    share of pairs whose chosen completion is likelier per token, under the reference and under the policy.
    chosen_shift, rejected_shift: mean change of log-probability in nats; if both fall, that is likelihood
    displacement. chosen_token_shift: change per token of the chosen completions, over all their tokens; None in
    manifests of an older prefloop.
    """

    model_config = ConfigDict(frozen=True)
    pairs: int
    accuracy: float | None = None
    margin: float | None = None
    ranking_before: float | None = None
    ranking_after: float | None = None
    chosen_shift: float | None = None
    rejected_shift: float | None = None
    chosen_token_shift: float | None = None


class Drift(BaseModel):
    """Fresh samples at temperature 1 compared with the reference: KL in nats per completion, length in tokens.

    eos_rate: share of answers that ended with EOS. distinct_1, distinct_2: distinct words and word pairs divided by
    their total number (Li 2016, 1510.03055).
    """

    model_config = ConfigDict(frozen=True)
    kl_mean: float
    kl_median: float
    kl_max: float
    mean_length: float
    eos_rate: float
    distinct_1: float
    distinct_2: float


class Manner(BaseModel):
    """Style statistics of a version's answers: fresh samples at temperature 1, lengths in tokens.

    eos_rate, distinct_1, distinct_2: as in Drift. repetition: mean share of an answer's 4-word sequences that already
    occurred in it (seq-rep-4, Welleck 2020, 1908.04319).
    """

    model_config = ConfigDict(frozen=True)
    answers: int
    mean_length: float
    eos_rate: float
    distinct_1: float
    distinct_2: float
    repetition: float


class Divergence(BaseModel):
    """KL divergence of a policy from another, on the policy's own answers: log pi - log pi_other, in nats per answer.

    mean estimates KL(pi || pi_other); single values may be negative. seeds: how far two such means over as many answers
    differ by sampling alone, in 95 of 100 cases; a smaller mean shows no difference. token_mean: nats per token, over
    all tokens; token_median, token_max: over single answers, where a short answer counts as having a minimum length.
    None in manifests of an older prefloop.
    """

    model_config = ConfigDict(frozen=True)
    mean: float
    median: float
    max: float
    seeds: float | None = None
    token_mean: float | None = None
    token_median: float | None = None
    token_max: float | None = None


class Interval(BaseModel):
    """A 95 % confidence interval."""

    model_config = ConfigDict(frozen=True)
    low: float
    high: float


class RivalScores(BaseModel):
    """A challenger compared with a rival version: what changed from the rival to the challenger.

    heldout: ranking of the held-out pairs, where "before" is the rival. accuracy: Wilson interval of the accuracy,
    None without pairs; margin: interval of the margin in nats, None for fewer than two pairs.
    """

    model_config = ConfigDict(frozen=True)
    rival: str
    heldout: Agreement
    accuracy: Interval | None = None
    margin: Interval | None = None
    kl: Divergence
    manner: Manner


class Probe(BaseModel):
    """A fixed prompt and every contender's answer to it, by name, all sampled with the same seed."""

    model_config = ConfigDict(frozen=True)
    prompt: tuple[Message, ...]
    answers: dict[str, str]


class Evaluation(BaseModel):
    """Offline evaluation of a challenger: against the version serving when the round started, and against the base.

    champion: that version against the base, on the same held-out pairs and prompts; None when it is the base itself.
    probes leaves out prompts that the model's template rejects.
    """

    model_config = ConfigDict(frozen=True)
    manner: Manner
    against_base: RivalScores
    against_champion: RivalScores
    champion: RivalScores | None = None
    probes: tuple[Probe, ...] = ()


class RewardReport(BaseModel):
    """Quality of a reward model on its training pairs and on held-out pairs (None without any).

    calibration_error: mean gap between predicted and true win rate on held-out pairs, over bins (Guo 2017,
    1706.04599).
    """

    model_config = ConfigDict(frozen=True)
    train_accuracy: float
    heldout_accuracy: float | None
    calibration_error: float | None


class Report(BaseModel):
    """What training did. rated: single ratings besides the pairs.

    prompts_cut, dropped: prompts shortened and examples left out because they exceed the context. refused: examples
    that the chat template rejects. notes: messages for people, such as that memory ran out. forward: which forward
    pass was used, and why if not the packed one. reference: what the policy was measured against.
    """

    model_config = ConfigDict(frozen=True)
    algorithm: str
    reference: str
    forward: str
    train: Agreement
    heldout: Agreement
    drift: Drift
    rated: int = 0
    prompts_cut: int = 0
    dropped: int = 0
    refused: int = 0
    notes: tuple[str, ...] = ()
    reward: RewardReport | None = None
    seconds: float
    memory_mb: float


class Manifest(BaseModel):
    """The last file a trainer writes. evaluation: None in manifests of an older prefloop."""

    model_config = ConfigDict(frozen=True)
    format: int = 2
    snapshot_sha256: str
    adapter_sha256: str
    model: str
    revision: str
    steps: int
    report: Report
    canary: Canary
    software: dict[str, str]
    evaluation: Evaluation | None = None
