"""What a trainer says of its work: progress while it runs, canary, report and manifest at the end.

Knows neither files nor models.
"""

from pydantic import BaseModel, ConfigDict

from data.records import Message


class Progress(BaseModel):
    """Where a running trainer stands. seconds_left is None until it can be told."""

    model_config = ConfigDict(frozen=True)
    phase: str
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None


class Canary(BaseModel):
    """A greedy answer of the trained policy and its per-token logprobs, by the training forward pass.

    base_logprobs are the base model's on the same tokens. Whoever serves the adapter must reproduce
    `logprobs`, and so proves that it is this adapter that answers.
    """

    model_config = ConfigDict(frozen=True)
    prompt: tuple[Message, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    base_logprobs: tuple[float, ...]


class Report(BaseModel):
    """What training did. kl_mean is in nats a completion, against the reference; lengths are tokens."""

    model_config = ConfigDict(frozen=True)
    pairs: int
    heldout_pairs: int
    heldout_accuracy: float | None
    heldout_margin: float | None
    train_accuracy: float
    kl_mean: float
    mean_length: float
    eos_rate: float
    seconds: float


class Manifest(BaseModel):
    """The last file a trainer writes."""

    model_config = ConfigDict(frozen=True)
    format: int = 1
    snapshot_sha256: str
    adapter_sha256: str
    model: str
    revision: str
    steps: int
    report: Report
    canary: Canary
    software: dict[str, str]
