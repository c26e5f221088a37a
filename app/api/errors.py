"""How the API says no: the answer to each error, and its model, to be documented with each route. Knows no route."""

import json
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from app.annotation.blinding import redact_for
from data.errors import BusyError, ConflictError, InputError, NotFoundError, PrefloopError

_STATUS: tuple[tuple[type[PrefloopError], int], ...] = (
    (NotFoundError, 404),
    (InputError, 422),
    (BusyError, 429),
    (ConflictError, 409),
    (PrefloopError, 503),
)


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


def explain_errors(app: FastAPI) -> None:
    """Let an application answer a PrefloopError, and what it cannot read, as every route says it does."""
    app.add_exception_handler(PrefloopError, _explain)
    app.add_exception_handler(RequestValidationError, _name_the_unfit)


# Asynchronous like all that every answer may need: a plain handler would wait for a thread.
async def _name_the_unfit(_: Request, error: Exception) -> Response:
    """What is wrong and where, without what was sent: that may be a password, or no text that UTF-8 can hold."""
    assert isinstance(error, RequestValidationError)
    detail = [{key: problem[key] for key in ("type", "loc", "msg")} for problem in error.errors()]
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


async def _explain(request: Request, raised: Exception) -> JSONResponse:
    assert isinstance(raised, PrefloopError)
    status = next(status for kind, status in _STATUS if isinstance(raised, kind))
    error = redact_for(raised, getattr(request.state, "annotator", None))
    waits = {"retry-after": str(raised.seconds)} if isinstance(raised, BusyError) else {}
    return JSONResponse({"detail": str(error), "template": error.template, "values": error.values}, status, waits)
