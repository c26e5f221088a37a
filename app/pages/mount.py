"""Mounts all pages into the web application. Knows their addresses and who may see them."""

from importlib.resources import files

from fastapi import FastAPI

from app.pages.annotate import AnnotatePage
from app.pages.layout import mount
from app.pages.markdown import Markdown
from app.pages.rounds import RoundsPage
from app.pages.sign_in import add_sign_in
from app.services import Services
from data.records import Role


def mount_pages(app: FastAPI, services: Services) -> None:
    """Mount sign-in for all, annotating for those who signed in, training for admins."""
    guidelines = (files("data") / "seed" / "guidelines.md").read_text(encoding="utf-8")
    annotate = AnnotatePage(services, Markdown()).build(guidelines)
    add_sign_in(app)
    mount(app, annotate, "/annotate", role=Role.ANNOTATOR, style="board.css")
    mount(app, RoundsPage(services).build(), "/admin", role=Role.ADMIN, style="rounds.css")
