"""Sign-in over HTTP: the routes that set and clear the cookies, and the gate in front of all.

Knows nothing of pages beyond their addresses.
"""

import asyncio
from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.cors import CORSMiddleware

from app.people.accounts import Accounts
from app.people.visitor import DEVICE_COOKIE, SESSION_COOKIE, token_of, visitor_of
from app.web.auth_gate import SIGN_IN, AuthMiddleware
from data.errors import BusyError, ConflictError, InputError, PrefloopError
from data.people.devices import LASTS_MS
from data.records import Annotator

HOME = "/annotate/"


class SignInForm(BaseModel):
    """What the sign-in page sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    login: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]


class Linked(BaseModel):
    """What the page of a sign-in link sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    token: Annotated[str, Field(max_length=128)]


class Joining(BaseModel):
    """What the page of an invite sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    token: Annotated[str, Field(max_length=128)]
    login: Annotated[str, Field(max_length=256)]
    password: Annotated[str, Field(max_length=1024)]


def add_security(app: FastAPI, accounts: Accounts) -> None:
    """Add the sign-in routes and put the gate in front of everything the app will ever mount."""
    app.add_middleware(CORSMiddleware, allow_origins=[])  # also turns off Gradio's own, which allows any origin
    app.add_middleware(AuthMiddleware, accounts=accounts)
    _add_ways_in(app, accounts)

    @app.post("/auth/logout", include_in_schema=False)
    def logout(request: Request) -> Response:
        accounts.sign_out(token_of(request))
        response = JSONResponse({"next": SIGN_IN})
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
        return response

    @app.get("/auth/session", include_in_schema=False)
    async def session() -> Response:
        """Answers only while the session lasts; the gate says 401 after that."""
        return Response(status_code=204)


def _add_ways_in(app: FastAPI, accounts: Accounts) -> None:
    @app.post("/auth/login", include_in_schema=False)
    async def login(credentials: SignInForm, request: Request) -> Response:
        visitor = visitor_of(request)
        try:
            entry = await accounts.sign_in_queued(credentials.login.strip(), credentials.password, visitor)
        except InputError as error:
            return _refused(error, 401)
        except ConflictError as error:
            return _refused(error, 429)
        return await _signed_in(JSONResponse({"next": HOME}), entry, request, accounts)

    @app.post("/auth/link", include_in_schema=False)
    async def link(linked: Linked, request: Request) -> Response:
        try:
            entry = await asyncio.to_thread(accounts.redeem, linked.token, visitor_of(request))
        except InputError as error:
            return _refused(error, 422)
        return await _signed_in(JSONResponse({"next": HOME}), entry, request, accounts)

    @app.post("/auth/join", include_in_schema=False)
    async def join(joining: Joining, request: Request) -> Response:
        visitor = visitor_of(request)
        try:
            entry = await accounts.join_queued(joining.token, joining.login.strip(), joining.password, visitor)
        except InputError as error:
            return _refused(error, 422)
        except BusyError as error:
            return _refused(error, 429)
        except ConflictError as error:
            return _refused(error, 409)
        return await _signed_in(JSONResponse({"next": HOME}), entry, request, accounts)


def _refused(error: PrefloopError, status: int) -> Response:
    body = {"detail": str(error), "template": error.template, "values": error.values}
    waits = {"retry-after": str(error.values["seconds"])} if status == 429 else {}
    return JSONResponse(body, status, waits)


async def _signed_in(
    response: Response, entry: tuple[str, Annotator], request: Request, accounts: Accounts
) -> Response:
    token, annotator = entry
    device = await asyncio.to_thread(accounts.know_device, annotator.id, visitor_of(request))
    for cookie, value, lasts_ms in (
        (SESSION_COOKIE, token, accounts.session_ms),
        (DEVICE_COOKIE, device, LASTS_MS),
    ):
        response.set_cookie(
            cookie,
            value,
            max_age=lasts_ms // 1000,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
    response.headers["cache-control"] = "no-store"
    return response
