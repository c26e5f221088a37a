"""The annotation page's component: a gr.HTML whose script draws its value. Knows no services.

One component and one value: a change is one round trip and one redraw. The template never holds a
value, since Gradio runs what stands in `${}` there, be it part of somebody's text. A function and
not a subclass: Gradio writes a stub file next to the module of every subclass.

Its scripts are joined and no ES modules, unlike those of the other pages: Gradio makes a function of the text of
`js_on_load`, with `element`, `props`, `trigger` and `server` as its arguments, and a function cannot hold `import`.
"""

from collections.abc import Callable

import gradio as gr

from app.pages.layout import static

_BOARD_SCRIPTS = (
    "runtime",
    "keymap",
    "stopwatch",
    "deafness",
    "draft",
    "session",
    "remarks",
    "answers",
    "reasoning",
    "panels",
    "board",
)


def annotation_board(**server_functions: Callable[..., object]) -> gr.HTML:
    """The annotation board. Its script calls the server functions by name and fires "live"; its value is a view.

    server_functions: act, history and difference; each takes one dict and perhaps the request.
    """
    return gr.HTML(
        html_template=static("annotate/board.html"),
        js_on_load="\n".join(static(f"annotate/{name}.js") for name in _BOARD_SCRIPTS),
        server_functions=list(server_functions.values()),
        apply_default_css=False,
        elem_id="board",
    )
