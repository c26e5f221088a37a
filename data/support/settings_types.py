"""Types for settings: numbers within bounds, and a model that rejects unknown keys."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
AtLeast = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
FlipRate = Annotated[float, Field(ge=0, lt=0.5)]


class Strict(BaseModel):
    """A frozen model that rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


IN_OUR_WORDS = "in our words"
