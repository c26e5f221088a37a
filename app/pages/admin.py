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
_SHARED = ("ask.js", "admin.js")


def add_admin_pages(app: FastAPI) -> None:
    """Add the pages; /admin/ leads to the first of them."""
    _add_home(app)
    overview = ("quality_words.js", "overview_drawings.js", "overview.js")
    _add(app, OVERVIEW, _page("overview", OVERVIEW, styles=("overview.css",), scripts=overview))
    rounds = (
        "probes.js",
        "left_out.js",
        *(f"rounds_list{part}.js" for part in ("_words", "_curves", "_report", "_next", "_rebuild", "")),
    )
    _add(app, ROUNDS, _page("rounds_list", ROUNDS, styles=("rounds_list.css", "probes.css"), scripts=rounds))
    versions = ("versions_drawings.js", "versions.js")
    _add(app, VERSIONS, _page("versions", VERSIONS, styles=("versions.css",), scripts=versions))
    _add(app, LINEAGE, _page("lineage", LINEAGE, styles=("lineage.css",), scripts=("lineage.js",)))
    _add(app, PROMPTS, _page("prompts", PROMPTS, styles=("prompts.css",), scripts=("prompts.js",)))
    datasets = ("left_out.js", "datasets_shared.js", "datasets_export.js", "datasets_import.js")
    _add(app, DATASETS, _page("datasets", DATASETS, styles=("datasets.css",), scripts=datasets))
    quality = ("quality_words.js", "quality_drawings.js", "gold.js", "flags.js", "quality.js")
    _add(app, QUALITY, _page("quality", QUALITY, styles=("quality.css",), scripts=quality))
    _add(app, PEOPLE, _page("people", PEOPLE, styles=("people.css",), scripts=("people_acts.js", "people.js")))
    guidelines = _page("guidelines", GUIDELINES, styles=("answer.css", "guidelines.css"), scripts=("guidelines.js",))
    _add(app, GUIDELINES, guidelines)
    _add(app, SETTINGS, _page("settings", SETTINGS, styles=("settings.css",), scripts=("settings.js",)))


def _page(name: str, address: str, *, styles: tuple[str, ...], scripts: tuple[str, ...]) -> str:
    parts = {
        "@head@": head("admin_nav.css", "admin.css", *styles),
        "@nav@": admin_nav(address),
        "@dialog@": static("admin_dialog.html"),
        "@scripts@": "\n".join(map(static, (*_SHARED, *scripts))),
    }
    page = static(f"{name}.html")
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
