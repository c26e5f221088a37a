"""The sign-in page: plain HTML, so that no route of Gradio is open to strangers. Knows no accounts."""

import html

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from app.pages.layout import head, static

_WHY = {
    "link": "This sign-in link has been used or has expired. Ask an admin for a new one, or sign in with a password.",
    "session": "Your session has ended. Sign in again: a choice that was not saved yet is kept and saved then.",
}


def add_sign_in(app: FastAPI) -> None:
    """Add the page at /sign-in/."""
    page = static("sign_in.html").replace("@head@", head()).replace("@style@", static("base.css"))

    @app.get("/sign-in", include_in_schema=False)
    @app.get("/sign-in/", include_in_schema=False)
    def sign_in(why: str = "") -> HTMLResponse:
        note = html.escape(_WHY.get(why, ""))
        return HTMLResponse(page.replace("@why@", note), headers={"cache-control": "no-store"})
