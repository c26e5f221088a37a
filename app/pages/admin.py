"""The admin's pages: plain HTML that asks the API.

The gate lets only admins through. Knows nothing of what the pages say.
"""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse

from app.pages.admin_nav import admin_nav
from app.pages.layout import head, static

OVERVIEW = "/admin/overview/"
ROUNDS = "/admin/rounds/"
VERSIONS = "/admin/versions/"
LINEAGE = "/admin/lineage/"
PROMPTS = "/admin/prompts/"
DATASETS = "/admin/datasets/"
QUALITY = "/admin/quality/"
PEOPLE = "/admin/people/"
GUIDELINES = "/admin/guidelines/"
SETTINGS = "/admin/settings/"

_NO_STORE = {"cache-control": "no-store"}
_STYLES = ("admin/shared/nav.css", "admin/shared/admin.css")
_SCRIPTS = ("shared/ask.js", "admin/shared/admin.js")


def add_admin_pages(app: FastAPI) -> None:
    """Add the pages; /admin/ leads to the first of them."""
    _add_home(app)
    quality_words = "admin/quality/words.js"
    _add(app, OVERVIEW, _page("overview", "charts", before=(quality_words,)))
    rounds = ("words", "curves", "report", "next_round", "rebuild")
    before = ("admin/shared/probes.js", "admin/shared/left_out.js")
    _add(app, ROUNDS, _page("rounds", *rounds, before=before, styles=("admin/shared/probes.css",)))
    _add(app, VERSIONS, _page("versions", "charts"))
    _add(app, LINEAGE, _page("lineage"))
    _add(app, PROMPTS, _page("prompts"))
    _add(
        app, DATASETS, _page("datasets", "shared", "export", "import", before=("admin/shared/left_out.js",), last=None)
    )
    _add(app, QUALITY, _page("quality", "words", "charts", "gold", "flags"))
    _add(app, PEOPLE, _page("people", "actions"))
    _add(app, GUIDELINES, _page("guidelines", styles=("shared/answer.css",)))
    _add(app, SETTINGS, _page("settings"))


def _page(
    name: str, *scripts: str, before: tuple[str, ...] = (), styles: tuple[str, ...] = (), last: str | None = "page"
) -> str:
    """The page of a folder: its scripts between those of others and the last, which begins."""
    own = [f"admin/{name}/{script}.js" for script in (*scripts, last) if script]
    parts = {
        "@head@": head(*_STYLES, *styles, f"admin/{name}/page.css"),
        "@nav@": admin_nav(f"/admin/{name}/"),
        "@dialog@": static("admin/shared/dialog.html"),
        "@scripts@": "\n".join(map(static, (*_SCRIPTS, *before, *own))),
    }
    page = static(f"admin/{name}/page.html")
    for hole, filling in parts.items():
        page = page.replace(hole, filling)
    return page


def _add_home(app: FastAPI) -> None:
    def home() -> RedirectResponse:
        return RedirectResponse(OVERVIEW, 303)

    for path in ("/admin", "/admin/"):
        app.add_api_route(path, home, include_in_schema=False)


def _add(app: FastAPI, address: str, page: str) -> None:
    def show() -> HTMLResponse:
        return HTMLResponse(page, headers=_NO_STORE)

    for path in (address, address.removesuffix("/")):
        app.add_api_route(path, show, include_in_schema=False)
