"""What every page looks like around its content, and how a page is mounted. Knows no page."""

import json
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, Request
from starlette.middleware import Middleware

from app.pages.event_guard import EventGuard
from data.records import Annotator

_STATIC = Path(__file__).with_name("static")
_THREADS = 200  # also caps what runs at once on the event loop
_WAITING = 500


def static(name: str) -> str:
    """The text of one of the pages' own files."""
    return (_STATIC / name).read_text(encoding="utf-8")


def head(*styles: str) -> str:
    """What each page has in its <head>: light or dark, and styles.

    Not as Gradio's `css`: that rewrites each selector and breaks those with a comma inside `:is()`.
    """
    viewport = "<meta name='viewport' content='width=device-width, initial-scale=1'>"
    css = "\n".join(map(static, ("shared/base.css", *styles)))
    return f"{viewport}<script>{static('shared/mode.js')}{_texts()}</script><style>{css}</style>"


def _texts() -> str:
    """The script that says a page's words in the reader's language, with its tables."""
    table = json.dumps(json.loads(static("shared/texts.zh.json")), ensure_ascii=False)
    return static("shared/texts.js").replace("'@zh@'", table.replace("<", "\\u003c"))


def person(request: gr.Request) -> Annotator:
    """Who asks, as the gate found out.

    Gradio hands its own request to event handlers and the plain one to server functions; both have `state`.
    """
    annotator = request.state.annotator
    assert isinstance(annotator, Annotator)
    return annotator


def mount(app: FastAPI, page: gr.Blocks, path: str, *, styles: Sequence[str]) -> None:
    """Mount a Gradio page for everybody who signed in."""

    def admit(request: Request) -> str | None:
        """Ask once more behind the gate, and name the person for Gradio."""
        annotator = getattr(request.state, "annotator", None)
        return annotator.login if isinstance(annotator, Annotator) else None

    page.max_threads = _THREADS
    page.queue(default_concurrency_limit=None, api_open=False, max_size=_WAITING)
    gr.mount_gradio_app(
        app,
        page,
        path,
        auth_dependency=admit,
        theme=_theme(),
        head=head(*styles),
        footer_links=[],
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        max_file_size="1kb",
        app_kwargs={
            "openapi_url": None,
            "docs_url": None,
            "redoc_url": None,
            "middleware": [Middleware(EventGuard, page=page)],
        },
    )


def _theme() -> gr.themes.Base:
    """Gradio's default with the system's own fonts: nothing is fetched from anywhere."""
    return gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
