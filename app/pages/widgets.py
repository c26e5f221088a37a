"""The pages' own components: one gr.HTML each, whose script draws its value. Knows no services.

One component and one value per page: a change is one round trip and one redraw. The templates never
hold a value, since Gradio runs what stands in `${}` there, be it part of somebody's text. Functions and
not subclasses: Gradio writes a stub file next to the module of every subclass.
"""

from collections.abc import Callable

import gradio as gr

from app.pages.layout import static


def annotation_board(act: Callable[..., object], *, guidelines: str) -> gr.HTML:
    """The annotation board. Its script calls `act` and fires "live"; its value is a view to draw.

    act: named so; takes one dict and the request, returns a view. guidelines: safe HTML.
    """
    return gr.HTML(
        html_template=static("board.html").replace("@guidelines@", guidelines),
        js_on_load=static("board.js"),
        server_functions=[act],
        apply_default_css=False,
        elem_id="board",
    )


def training_board() -> gr.HTML:
    """The training board. Its script fires "train", "cancel" and "serve"; its value is a view to draw."""
    return gr.HTML(
        html_template=static("rounds.html"),
        js_on_load=static("chart.js") + static("rounds.js"),
        apply_default_css=False,
        elem_id="rounds",
    )
