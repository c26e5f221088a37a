"""Render untrusted Markdown as harmless HTML: no raw HTML, no images, no clickable links, nothing hidden.

A link or an image is shown as its text and address, so that an answer cannot lead anybody anywhere. Definitions of link
targets stay as written. Headings start at the third level, below the page's own.
"""

from collections.abc import Sequence
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from app.markdown import formula
from app.markdown.bidi import set_directions
from app.markdown.cjk import CjkInline
from app.markdown.code import CLASSES, highlighted
from app.markdown.invisible import whole, with_signs

_LONGEST = 40_000  # characters; longer text is shown as written
_MOST_COLOURED = 8_000  # characters of highlighted code per text
_DEEPEST = 20  # levels of quotes and lists; markdown-it drops deeper ones, so such text is shown as written
_WIDE = 'class="pl-wide" tabindex="0"'  # scrolls sideways, by keyboard too
_TAGS = "p br strong em s code pre ul ol li blockquote h3 h4 h5 h6 hr table thead tbody tr th td span div"
_DIRECTED = ("p", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table", "th", "td", "code", "pre", "span", "div")
_CELL = {"pl-left", "pl-center", "pl-right"}


class _Renderer(RendererHTML):
    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "<span>"

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        link = next(token for token in reversed(tokens[:idx]) if token.type == "link_open")
        return "</span>" if link.markup == "autolink" else f"{_address(link, 'href')}</span>"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        words = self.render(tokens[idx].children or (), options, env)
        return f'<span class="pl-image">{words}{_address(tokens[idx], "src")}</span>'

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<h{_level(tokens[idx])}{self.renderAttrs(tokens[idx])}>"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"</h{_level(tokens[idx])}>\n"

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<div {_WIDE}><table{self.renderAttrs(tokens[idx])}>\n"

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table></div>\n"

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        style = str(tokens[idx].attrs.pop("style", ""))
        if style:
            tokens[idx].attrSet("class", style.replace("text-align:", "pl-"))
        return f"<{tokens[idx].tag}{self.renderAttrs(tokens[idx])}>"

    th_open = td_open

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<code dir="ltr">{escape(tokens[idx].content)}</code>'

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _listing(tokens[idx].content, "", coloured=False)

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        env["code"] = env.get("code", 0) + len(tokens[idx].content)
        return _listing(tokens[idx].content, tokens[idx].info, coloured=env["code"] <= _MOST_COLOURED)

    def formula(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        display = bool(tokens[idx].meta["display"])
        drawn = formula.draw(tokens[idx].content, display=display)
        return f'<span {_WIDE} dir="ltr">{drawn}</span>' if display else drawn

    def formula_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<div {_WIDE} dir="ltr">{formula.draw(tokens[idx].content, display=True)}</div>\n'


class Markdown:
    """A renderer; thread-safe."""

    def __init__(self) -> None:
        options = {"html": False, "linkify": False, "breaks": True, "maxNesting": _DEEPEST}
        parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
        parser.inline = CjkInline()
        self._parser = parser.enable(["table", "strikethrough"]).disable("reference")
        formula.find_formulas(self._parser)
        self._cleaner = _cleaner()

    def html(self, text: str) -> str:
        """Return the text as HTML that is safe in a page, with every character visible. Never raises."""
        text = whole(text)
        tokens = self._parser.parse(text) if len(text) <= _LONGEST else []
        if not tokens or any(token.level >= _DEEPEST - 1 for token in tokens):
            html = f'<p class="pl-written" dir="auto">{escape(text)}</p>\n' if text.strip() else ""
        else:
            set_directions(tokens)
            html = self._parser.renderer.render(tokens, self._parser.options, {})
        return self._cleaner.clean(with_signs(html))


def _cleaner() -> nh3.Cleaner:
    """Return the cleaner, which limits what reaches the page whatever the renderer does."""
    values = {tag: {"dir": {"ltr", "rtl", "auto"}} for tag in _DIRECTED}
    for tag in ("pre", "div", "span"):
        values[tag] = values[tag] | {"tabindex": {"0"}}
    return nh3.Cleaner(
        tags={*_TAGS.split()} | formula.TAGS,
        attributes=dict.fromkeys(formula.TAGS, formula.ATTRIBUTES) | {"ol": {"start"}, "pre": {"data-language"}},
        tag_attribute_values=values,
        allowed_classes={
            "span": {"pl-address", "pl-image", "pl-sign", "pl-wide", *CLASSES.values()},
            "div": {"pl-wide"},
            "p": {"pl-written"},
            "code": {"pl-source"},
            "th": _CELL,
            "td": _CELL,
        },
    )


def _listing(code: str, info: str, *, coloured: bool) -> str:
    """Render a code block with the text of its fence as a label."""
    code = code.removesuffix("\n")
    said = "".join(char for char in info.strip() if char.isprintable())
    label = f' data-language="{escape(said)}"' if said else ""
    body = highlighted(code, said.split(maxsplit=1)[0]) if said and coloured else escape(code)
    return f'<pre tabindex="0" dir="ltr"{label}><code>{body}</code></pre>\n'


def _level(heading: Token) -> int:
    return min(int(heading.tag[1]) + 2, 6)


def _address(token: Token, name: str) -> str:
    """Return the target of a link or an image, with its title, as text."""
    target, title = str(token.attrGet(name) or ""), token.attrGet("title")
    said = f'{target} "{title}"'.strip() if title else target
    return f' <span class="pl-address" dir="ltr">({escape(said)})</span>' if said else ""
