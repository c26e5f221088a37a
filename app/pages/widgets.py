"""The pages' own components: one gr.HTML each, whose script draws its value. Knows no services.

One component and one value per page: a change is one round trip and one redraw. The templates never
hold a value, since Gradio runs what stands in `${}` there, be it part of somebody's text.
"""

from collections.abc import Callable

import gradio as gr

from app.pages.layout import static


class Board(gr.HTML):
    """The annotation board. Its script calls `act` and fires "live"; its value is a view to draw."""

    def __init__(self, act: Callable[..., object], *, guidelines: str) -> None:
        """act: named so; takes one dict and the request, returns a view. guidelines: safe HTML."""
        super().__init__(
            value=None,
            html_template=static("board.html").replace("@guidelines@", guidelines),
            js_on_load=static("board.js"),
            server_functions=[act],
            apply_default_css=False,
            elem_id="board",
        )


class RoundsBoard(gr.HTML):
    """The training board. Its script fires "train", "cancel" and "serve"; its value is a view to draw."""

    def __init__(self) -> None:
        super().__init__(
            value=None,
            html_template=static("rounds.html"),
            js_on_load=static("chart.js") + static("rounds.js"),
            apply_default_css=False,
            elem_id="rounds",
        )
