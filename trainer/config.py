"""What a round is told: validated settings, written into its directory. Knows nothing of training."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from data.records import Sampling

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A frozen model in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DPOConfig(Strict):
    """LoRA DPO with the sigmoid loss (Rafailov 2023). learning_rate peaks after the warm-up."""

    algorithm: Literal["dpo"] = "dpo"
    beta: Annotated[float, Field(gt=0)] = 0.1
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    epochs: Positive = 4
    batch_size: Positive = 8
    warmup: Fraction = 0.1
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    rank: Positive = 16
    alpha: Positive = 32
    token_budget: Positive = 8192
    checkpoint_every: Positive = 10


class RoundConfig(Strict):
    """Everything `python -m trainer ROUND_DIR` needs besides the snapshot.

    The new adapter starts from the base and the reference is the base: a round is a function of its
    snapshot alone, and repeated rounds cannot drift from the model that people know.
    """

    model: str
    revision: str
    seed: int
    training: DPOConfig = DPOConfig()
    sampling: Sampling = Sampling()
