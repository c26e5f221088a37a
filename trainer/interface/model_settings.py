"""What is said of a model besides its weights: the section `[model]`, and the format that it is asked in."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from data.support.digests import canonical, sha256
from data.support.settings_types import Strict

BUILT_IN = "built-in"
PLAIN = "plain"


class Dtype(StrEnum):
    """The numbers that a model is loaded in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Quantize(StrEnum):
    """How bitsandbytes keeps the weights of the base's linear modules.

    FOUR_BIT: NF4 with double quantisation (Dettmers 2023, 2305.14314, sec. 3). EIGHT_BIT: LLM.int8() (Dettmers 2022,
    2208.07339).
    """

    FOUR_BIT = "4bit"
    EIGHT_BIT = "8bit"


class ModelOptions(Strict):
    """How a model is loaded and asked, besides its name: what `[model]` says.

    system: a system turn before every conversation that has none. stop: strings that end an answer and do not belong to
    it. template_arguments: what the chat template is given besides the conversation. template: PLAIN, or a file with a
    Jinja template, in place of the model's own. dtype: bfloat16 on CUDA, else float32, if None. trust_remote_code:
    whether Python code that comes with a model may run.
    """

    template: str | None = None
    system: str | None = None
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    template_arguments: dict[str, Any] = Field(default_factory=dict)
    dtype: Dtype | None = None
    quantize: Quantize | None = None
    trust_remote_code: bool = False


AS_IT_COMES = ModelOptions()


class ModelSettings(ModelOptions):
    """The section `[model]`; a bare string is its name: the built-in model, a directory or a hub id."""

    name: Annotated[str, Field(min_length=1)] = BUILT_IN

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:  # noqa: ANN401  # whatever a file says
        return {"name": given} if isinstance(given, str) else given

    @property
    def options(self) -> ModelOptions:
        """All but the name."""
        return ModelOptions.model_validate(self.model_dump(exclude={"name"}, exclude_unset=True))


class PromptFormat(Strict):
    """How a model is asked: part of what a version was trained under.

    template is Jinja, as transformers renders it; the rest as in ModelOptions.
    """

    template: str
    system: str | None = None
    stop: tuple[str, ...] = ()
    template_arguments: dict[str, Any] = Field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """What tells formats apart."""
        return sha256(canonical(self.model_dump(mode="json")))
