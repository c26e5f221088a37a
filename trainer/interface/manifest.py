"""What a trainer says of its work: progress while it runs, canary, report and manifest at the end.

Knows neither files nor models.
"""

from pydantic import BaseModel, ConfigDict

from data.records import Message


class Progress(BaseModel):
    """Where a running trainer stands, counted in steps of its phase. seconds_left is None until it can be told.

    seconds: spent on the round so far, by this trainer and by those that were killed before it.
    """

    model_config = ConfigDict(frozen=True)
    phase: str
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    seconds: float = 0.0


class Canary(BaseModel):
    """An answer and its per-token logprobs under the trained policy, by the training forward pass.

    base_logprobs are the base model's on the same tokens. Whoever serves the adapter must reproduce both
    (trainer/evaluation/canary.py), and so proves that it is this adapter that answers. prompt_ids: the prompt as it
    was read then, however the model is asked now; None in canaries of an older prefloop.
    """

    model_config = ConfigDict(frozen=True)
    prompt: tuple[Message, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    base_logprobs: tuple[float, ...]
    prompt_ids: tuple[int, ...] | None = None


class Agreement(BaseModel):
    """How a policy ranks the pairs that people decided; all None without pairs.

    accuracy: share of pairs whose chosen completion gained more on the reference than the rejected one (the sign
    of DPO's implicit reward; a tie counts half), margin: by how many nats on average. ranking_before and
    ranking_after: share of pairs whose chosen completion is the likelier per token, under the reference and the
    policy. chosen_shift, rejected_shift: mean change of log-probability in nats; both falling is likelihood
    displacement. chosen_token_shift: that of the chosen ones a token, over all their tokens; None in what an older
    prefloop wrote.
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
    """Fresh samples at temperature 1 against the reference: KL in nats a completion, length in tokens.

    eos_rate: share of answers that ended by themselves. distinct_1, distinct_2: different words and word pairs by
    all of them (Li 2016, 1510.03055).
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
    """How a version answers, whatever it says: fresh samples at temperature 1, lengths in tokens.

    eos_rate, distinct_1, distinct_2: as in Drift. repetition: the mean share of an answer's runs of four words that it
    had before (seq-rep-4, Welleck 2020, 1908.04319).
    """

    model_config = ConfigDict(frozen=True)
    answers: int
    mean_length: float
    eos_rate: float
    distinct_1: float
    distinct_2: float
    repetition: float


class Divergence(BaseModel):
    """How far a policy's own answers are from another: log pi - log pi_other of each, in nats an answer.

    The mean is KL(pi || pi_other), estimated; single ones may be below zero. seeds: by how much two such means over
    as many answers differ by their seeds alone, in 95 of 100 cases: a mean below that tells nothing apart. token_mean:
    nats a token, over all tokens; token_median, token_max: of single answers, where a short answer counts as having
    the least length. None in what an older prefloop wrote.
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
    """Where a number is with 95 % confidence."""

    model_config = ConfigDict(frozen=True)
    low: float
    high: float


class RivalScores(BaseModel):
    """A challenger against a rival, a version by name: what changed from the rival to the challenger.

    heldout: how they rank held-out pairs, where "before" is the rival. accuracy: Wilson's interval of its accuracy,
    None without pairs; margin: the interval of its margin, in nats, None for fewer than two pairs.
    """

    model_config = ConfigDict(frozen=True)
    rival: str
    heldout: Agreement
    accuracy: Interval | None = None
    margin: Interval | None = None
    kl: Divergence
    manner: Manner


class Probe(BaseModel):
    """A fixed question and what everybody answers to it, by name, each with the same seed."""

    model_config = ConfigDict(frozen=True)
    prompt: tuple[Message, ...]
    answers: dict[str, str]


class Evaluation(BaseModel):
    """A challenger before anyone sees it: against the version that served when the round began, and against the base.

    champion: that version against the base, on the same held-out pairs and prompts, where it is not the base itself;
    then the two comparisons differ. probes leave out questions that the model cannot read.
    """

    model_config = ConfigDict(frozen=True)
    manner: Manner
    against_base: RivalScores
    against_champion: RivalScores
    champion: RivalScores | None = None
    probes: tuple[Probe, ...] = ()


class RewardReport(BaseModel):
    """A reward model on pairs it trained on and on held-out ones (None without any).

    calibration_error: mean gap between the claimed and the true share of won pairs, over bins (Guo 2017,
    1706.04599), on held-out pairs.
    """

    model_config = ConfigDict(frozen=True)
    train_accuracy: float
    heldout_accuracy: float | None
    calibration_error: float | None


class Report(BaseModel):
    """What training did. rated: single ratings besides the pairs; cut and dropped: what did not fit into the context.

    refused: examples that the chat template refuses. notes: what happened on the way that people should know, like
    memory that ran out.
    forward says which way the model was computed, and why if not packed; reference what it was measured against.
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
    """The last file a trainer writes. evaluation: None in those of an older prefloop."""

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
