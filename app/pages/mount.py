"""Mounts all pages into the web application. Knows their addresses and who may see them."""

from fastapi import FastAPI

from app.markdown.render import Markdown
from app.pages.account import add_account_pages, add_sign_in
from app.pages.admin import add_admin_pages
from app.pages.annotate.page import AnnotatePage
from app.pages.layout import mount
from app.pages.modules import Modules, add_modules
from app.services import Services

_BOARD_STYLES = ("annotate/board.css", "shared/answer.css", "annotate/panels.css", "annotate/reasoning.css")


def mount_pages(app: FastAPI, services: Services) -> None:
    """Mount sign-in for all, annotating for those who signed in, and the admins' pages."""
    annotate = AnnotatePage(services, Markdown()).build()
    modules = Modules.read()
    add_modules(app, modules)
    add_sign_in(app, modules)
    add_account_pages(app, services.accounts, modules)
    add_admin_pages(app, modules)
    mount(app, annotate, "/annotate", styles=_BOARD_STYLES)
