"""Sign-in over HTTP: the routes that set and clear the session cookie, and the gate in front of all.

Knows nothing of pages beyond their addresses.
"""

from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.middleware.cors import CORSMiddleware

from app.accounts import Accounts
from app.gate import COOKIE, SIGN_IN, Gate, token_of
from data.errors import ConflictError, InputError

HOME = "/annotate/"


class Credentials(BaseModel):
    """What the sign-in page sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    login: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]


def add_security(app: FastAPI, accounts: Accounts) -> None:
    """Add the sign-in routes and put the gate in front of everything the app will ever mount."""
    app.add_middleware(CORSMiddleware, allow_origins=[])  # also turns off Gradio's own, which allows any origin
    app.add_middleware(Gate, accounts=accounts)

    @app.post("/auth/login", include_in_schema=False)
    def login(credentials: Credentials, request: Request) -> Response:
        client = request.client.host if request.client else ""
        try:
            token, _ = accounts.sign_in(credentials.login.strip(), credentials.password, client)
        except InputError as error:
            return JSONResponse({"detail": str(error)}, 401)
        except ConflictError as error:
            return JSONResponse({"detail": str(error)}, 429)
        return _signed_in(JSONResponse({"next": HOME}), token, request, accounts)

    @app.get("/auth/link", include_in_schema=False)
    def link(request: Request, token: Annotated[str, Query(max_length=128)] = "") -> Response:
        if "prefetch" in request.headers.get("sec-purpose", ""):
            return Response(status_code=503)  # a browser that only looks ahead must not spend the link
        try:
            session, _ = accounts.redeem(token)
        except InputError:
            return RedirectResponse(f"{SIGN_IN}?why=link", 303)
        return _signed_in(RedirectResponse(HOME, 303), session, request, accounts)

    @app.post("/auth/logout", include_in_schema=False)
    def logout(request: Request) -> Response:
        accounts.sign_out(token_of(request))
        response = JSONResponse({"next": SIGN_IN})
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return response

    @app.get("/auth/session", include_in_schema=False)
    def session() -> Response:
        """Answers only while the session lasts; the gate says 401 after that."""
        return Response(status_code=204)


def _signed_in(response: Response, token: str, request: Request, accounts: Accounts) -> Response:
    response.set_cookie(
        COOKIE,
        token,
        max_age=accounts.session_ms // 1000,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    response.headers["cache-control"] = "no-store"
    return response
