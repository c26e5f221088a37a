"""The sign-in page, one's own account, and what invites and sign-in links lead to. Plain HTML that asks the API.

Looking at a link spends nothing: only what its page sends does. Else a page of somebody else's could sign people in
unasked, as whom it likes.
"""

import html
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.pages.layout import head, static
from app.pages.modules import Modules
from app.people.accounts import Accounts
from data.errors import InputError

_NO_STORE = {"cache-control": "no-store"}
_WHY = {
    "link": "This sign-in link has been used or has expired. Ask an admin for a new one, or sign in with a password.",
    "session": "Your session has ended. Sign in again: a choice that was not saved yet is kept and saved then.",
}


def add_sign_in(app: FastAPI, modules: Modules) -> None:
    """Add the page at /sign-in/ and the icon that every browser asks for: what strangers may see."""
    page, picture = _page("sign_in", "account/sign_in.css", modules), static("shared/icon.svg")

    @app.get("/sign-in", include_in_schema=False)
    @app.get("/sign-in/", include_in_schema=False)
    def sign_in(why: str = "") -> HTMLResponse:
        note = html.escape(_WHY.get(why, ""))
        return HTMLResponse(page.replace("@why@", note), headers=_NO_STORE)

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(picture, media_type="image/svg+xml", headers={"cache-control": "max-age=86400"})


def add_account_pages(app: FastAPI, accounts: Accounts, modules: Modules) -> None:
    """Add /account/ for those who signed in (the gate sees to that); /join/ and /auth/link for those with a link."""
    account = _page("account", "account/account.css", modules)
    join = _page("join", "account/sign_in.css", modules)
    link = _page("link", "account/sign_in.css", modules)

    @app.get("/account", include_in_schema=False)
    @app.get("/account/", include_in_schema=False)
    def account_page() -> HTMLResponse:
        return HTMLResponse(account, headers=_NO_STORE)

    @app.get("/join", include_in_schema=False)
    @app.get("/join/", include_in_schema=False)
    def join_page(token: Annotated[str, Query(max_length=128)] = "") -> HTMLResponse:
        """Looks at the invite and leaves it open: only sending the form spends it."""
        return HTMLResponse(join.replace("@state@", _state(accounts, token)), headers=_NO_STORE)

    @app.get("/auth/link", include_in_schema=False)
    def link_page(token: Annotated[str, Query(max_length=128)] = "") -> Response:
        try:
            person = accounts.linked(token)
        except InputError:
            return RedirectResponse("/sign-in/?why=link", 303)
        return HTMLResponse(link.replace("@login@", html.escape(person.login)), headers=_NO_STORE)


def _page(name: str, style: str, modules: Modules) -> str:
    return static(f"account/{name}.html").replace("@head@", head(style) + modules.tags(f"account/{name}.js"))


def _state(accounts: Accounts, token: str) -> str:
    try:
        accounts.invite_of(token)
    except InputError:
        return "closed"
    return "open"
