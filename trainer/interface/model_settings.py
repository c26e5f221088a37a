"""Settings of a model: the section `[model]`, and the prompt format derived from it."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from data.support.digests import canonical, sha256
from data.support.settings_types import Strict

BUILT_IN = "built-in"
PLAIN = "plain"


class Dtype(StrEnum):
    """Number format that a model is loaded in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Quantize(StrEnum):
    """How bitsandbytes quantises the base model's linear layers.

    FOUR_BIT: NF4 with double quantisation (Dettmers 2023, 2305.14314, sec. 3). EIGHT_BIT: LLM.int8() (Dettmers 2022,
    2208.07339).
    """

    FOUR_BIT = "4bit"
    EIGHT_BIT = "8bit"


class ModelOptions(Strict):
    """How a model is loaded and prompted: the section `[model]` without the name.

    system: system message for conversations that have none. stop: strings that end an answer and are not part of it.
    template_arguments: extra arguments for the chat template. template: "plain", or a file with a Jinja template, in
    place of the model's own. dtype: None: bfloat16 on CUDA, else float32. trust_remote_code: whether Python code that
    comes with a model may run.
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
    """The section `[model]`; a bare string is the name: the built-in model, a directory or a hub id."""

    name: Annotated[str, Field(min_length=1)] = BUILT_IN

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:  # noqa: ANN401  # any value a settings file may hold
        return {"name": given} if isinstance(given, str) else given

    @property
    def options(self) -> ModelOptions:
        """Everything but the name."""
        return ModelOptions.model_validate(self.model_dump(exclude={"name"}, exclude_unset=True))


class PromptFormat(Strict):
    """How prompts are rendered: part of what a version was trained with.

    template: Jinja, as transformers renders it; the rest as in ModelOptions.
    """

    template: str
    system: str | None = None
    stop: tuple[str, ...] = ()
    template_arguments: dict[str, Any] = Field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash that identifies the format."""
        return sha256(canonical(self.model_dump(mode="json")))
