"""The admin's pages: plain HTML that asks the API.

The gate lets only admins through. Knows nothing of what the pages say.
"""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse

from app.pages.layout import head, static
from app.pages.modules import Modules

_HOME = "overview"
_PAGES = (
    _HOME,
    "rounds",
    "versions",
    "lineage",
    "prompts",
    "datasets",
    "quality",
    "people",
    "guidelines",
    "settings",
)
_NO_STORE = {"cache-control": "no-store"}
_STYLES = ("admin/shared/nav.css", "admin/shared/admin.css")
_MORE_STYLES = {"rounds": ("admin/shared/probes.css",), "guidelines": ("shared/answer.css",)}


def add_admin_pages(app: FastAPI, modules: Modules) -> None:
    """Add the pages; /admin/ leads to the first of them."""
    _add_home(app)
    for name in _PAGES:
        _add(app, f"/admin/{name}/", _page(name, modules))


def _page(name: str, modules: Modules) -> str:
    """A page, whose files lie in the folder of its name."""
    folder = f"admin/{name}"
    styles = (*_STYLES, *_MORE_STYLES.get(name, ()), f"{folder}/page.css")
    parts = {
        "@head@": head(*styles) + modules.tags(f"{folder}/page.js"),
        "@nav@": _nav(name),
        "@dialog@": static("admin/shared/dialog.html"),
    }
    page = static(f"{folder}/page.html")
    for hole, filling in parts.items():
        page = page.replace(hole, filling)
    return page


def _nav(name: str) -> str:
    """The links between the pages, of which that to the page itself says so."""
    nav, link = static("admin/shared/nav.html"), f'href="/admin/{name}/"'
    if link not in nav:
        raise ValueError(f"admin/shared/nav.html has no link to the page {name}")
    return nav.replace(link, f'{link} aria-current="page"')


def _add_home(app: FastAPI) -> None:
    def home() -> RedirectResponse:
        return RedirectResponse(f"/admin/{_HOME}/", 303)

    for path in ("/admin", "/admin/"):
        app.add_api_route(path, home, include_in_schema=False)


def _add(app: FastAPI, address: str, page: str) -> None:
    def show() -> HTMLResponse:
        return HTMLResponse(page, headers=_NO_STORE)

    for path in (address, address.removesuffix("/")):
        app.add_api_route(path, show, include_in_schema=False)
