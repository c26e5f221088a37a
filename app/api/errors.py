"""How the API says no: the models of its answers, to be documented with each route. Knows no route."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """What is sent; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


LARGEST_ID = 2**63 - 1  # of SQLite

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]


class Denied(BaseModel):
    """Why the gate lets a request no further."""

    detail: str


class Refusal(Denied):
    """Why a request came to nothing, in words; template and values are the same, to be translated."""

    template: str
    values: dict[str, str | int]


class Unfit(BaseModel):
    """What of a request is missing or of a wrong type."""

    detail: list[dict[str, Any]]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of routes behind the gate that can also answer with these statuses."""
    denied, refusal, unfit = (model.model_json_schema() for model in (Denied, Refusal, Unfit))
    known = {401: denied, 403: denied, 422: {"anyOf": [refusal, unfit]}}
    return {
        status: {"content": {"application/json": {"schema": known.get(status, refusal)}}}
        for status in (401, 403, 413, 422, 503, *statuses)
    }
