"""What strangers may see: the sign-in page and the icon. Knows no accounts.

Plain HTML, so that no route of Gradio is open to strangers.
"""

import html

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from app.pages.layout import head, static
from app.pages.modules import Modules

_WHY = {
    "link": "This sign-in link has been used or has expired. Ask an admin for a new one, or sign in with a password.",
    "session": "Your session has ended. Sign in again: a choice that was not saved yet is kept and saved then.",
}


def add_sign_in(app: FastAPI, modules: Modules) -> None:
    """Add the page at /sign-in/ and the icon that every browser asks for."""
    top = head("account/sign_in.css") + modules.tags("account/sign_in.js")
    page = static("account/sign_in.html").replace("@head@", top)

    @app.get("/sign-in", include_in_schema=False)
    @app.get("/sign-in/", include_in_schema=False)
    def sign_in(why: str = "") -> HTMLResponse:
        note = html.escape(_WHY.get(why, ""))
        return HTMLResponse(page.replace("@why@", note), headers={"cache-control": "no-store"})

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(
            static("shared/icon.svg"), media_type="image/svg+xml", headers={"cache-control": "max-age=86400"}
        )
