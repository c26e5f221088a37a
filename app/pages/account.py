"""One's own account, and the page of an invite. Plain HTML that asks the API; knows no passwords and no sessions."""

from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import HTMLResponse

from app.accounts import Accounts
from app.pages.layout import head, static
from data.errors import InputError

_NO_STORE = {"cache-control": "no-store"}


def add_account_pages(app: FastAPI, accounts: Accounts) -> None:
    """Add /account/ for those who signed in (the gate sees to that) and /join/ for those with an invite."""
    ask = static("ask.js")
    account = static("account.html").replace("@head@", head("account.css")).replace("@ask@", ask)
    account = account.replace("@account@", static("account.js"))
    join = static("join.html").replace("@head@", head("sign_in.css")).replace("@ask@", ask)

    @app.get("/account", include_in_schema=False)
    @app.get("/account/", include_in_schema=False)
    def account_page() -> HTMLResponse:
        return HTMLResponse(account, headers=_NO_STORE)

    @app.get("/join", include_in_schema=False)
    @app.get("/join/", include_in_schema=False)
    def join_page(token: Annotated[str, Query(max_length=128)] = "") -> HTMLResponse:
        """Looks at the invite and leaves it open: only sending the form spends it."""
        return HTMLResponse(join.replace("@state@", _state(accounts, token)), headers=_NO_STORE)


def _state(accounts: Accounts, token: str) -> str:
    try:
        accounts.invite_of(token)
    except InputError:
        return "closed"
    return "open"
