"""Markdown of strangers as harmless HTML: no raw HTML, no images, no links to click.

A link shows its words and its address as text: an answer must not lead anybody anywhere.
"""

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict


class _Renderer(RendererHTML):
    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "<span>"

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</span>"


class Markdown:
    """A renderer; one may serve all threads."""

    def __init__(self) -> None:
        options = {"html": False, "linkify": False, "breaks": True}
        parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
        self._parser = parser.enable(["table", "strikethrough"]).disable("image")

    def html(self, text: str) -> str:
        """The text as HTML that is safe to put into a page."""
        tokens = self._parser.parse(text)
        for token in tokens:
            _spell_out_links(token)
        return str(self._parser.renderer.render(tokens, self._parser.options, {}))


def _spell_out_links(block: Token) -> None:
    """Put the address of each link, as text, behind its words."""
    spelled: list[Token] = []
    addresses: list[str] = []
    for token in block.children or ():
        if token.type == "link_open":
            addresses.append(str(token.attrGet("href") or ""))
        if token.type == "link_close" and (address := addresses.pop()):
            spelled.append(Token("text", "", 0, content=f" ({address})"))
        spelled.append(token)
    if block.children is not None:
        block.children = spelled
