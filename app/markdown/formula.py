"""Formulas in Markdown: find them, and render them as MathML, which browsers show without scripts or extra fonts.

The rules are our own, since those of mdit-py-plugins search to the end of the text from every opening mark (seconds for
a hostile text), take prices for formulas, and leave a `$$` under a line of text to the list rule.
"""

import re
from collections.abc import Iterator
from html import escape, unescape
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_TAGS = (
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts"
    " mprescripts none mtable mtr mtd mstyle mpadded mphantom menclose"
)
_ATTRIBUTES = (
    "display displaystyle scriptlevel stretchy fence form separator lspace rspace minsize maxsize largeop"
    " movablelimits symmetric accent accentunder linethickness width height depth voffset mathvariant columnalign"
    " columnlines rowlines notation"
)
TAGS, ATTRIBUTES = frozenset(_TAGS.split()), frozenset(_ATTRIBUTES.split())

_LONGEST = 1_000  # characters of one formula
_MOST_LINES = 40
_INLINE = (
    (re.compile(r"\$\$(?!\$)((?:[^$\\]|\\.){1,1000}?)\$\$(?!\$)", re.DOTALL), True),
    # Dollars next to letters and digits, or before text like "5 per month", are money or shell variables.
    (
        re.compile(
            r"(?<![\\A-Za-z0-9$])\$(?![\s$]|\d[\d,.]*\s?[-/]?\s?[A-Za-z]{3})"
            r"((?:[^$\\\n]|\\.|\n(?!\n)){1,1000}?)(?<!\s)\$(?![A-Za-z0-9$])"
        ),
        False,
    ),
    (re.compile(r"\\\((.{1,1000}?)\\\)", re.DOTALL), False),
    (re.compile(r"\\\[(.{1,1000}?)\\\](?!\()", re.DOTALL), True),
)
_BEGIN = re.compile(
    r"\\begin\{((?:equation|multline|gather|align|alignat|flalign|eqnarray|split|cases|array|[pbBvV]?matrix)\*?)\}"
)
# Environments unknown to latex2mathml, with ones that look alike; the numbered ones would start at 1 in each formula.
_KIN = {"gather": "matrix", "gathered": "matrix", "multline": "matrix", "subarray": "array"} | dict.fromkeys(
    ("align", "aligned", "alignat", "alignedat", "flalign", "eqnarray"), "align*"
)
_ENVIRONMENT = re.compile(rf"\\(begin|end)\s*\{{({'|'.join(_KIN)})\*?\}}(?:\{{\d+\}})?")
_WRAPPER = re.compile(r"\\(?:begin|end)\s*\{equation\*?\}")
# Definitions can expand without end; the other commands would hide text: addresses, names, comments.
_REFUSED = re.compile(
    r"(?<!\\)%|\\(?:(?:re)?new(?:command|environment)|providecommand|[gex]?def|let|DeclareMathOperator|href|url|class"
    r"|style|id|cssId|label|html\w*|verb)(?![a-zA-Z])"
)
_VALUE = re.compile(r"[a-z][a-z -]{0,40}|[+-]?\d{0,2}(?:\.\d{1,4})?(?:em|ex|pt|px|mu|mm|%)?")


def find_formulas(parser: MarkdownIt) -> None:
    r"""Make the parser find `$x$`, `$$x$$`, `\(x\)`, `\[x\]` and amsmath's environments."""
    parser.inline.ruler.before("escape", "formula", _inline)
    parser.block.ruler.before("fence", "formula", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def draw(source: str, *, display: bool) -> str:
    """Return a formula as MathML, or as its source if it cannot be rendered, or not without hiding something."""
    style = "block" if display else "inline"
    try:
        tree = None if _REFUSED.search(source) else convert_to_element(_known(source), display=style)
        body = None if tree is None else "".join(_inside(tree))
    except Exception:  # latex2mathml raises various errors, including RecursionError
        body = None
    if body is None:
        return f'<code class="pl-source" dir="ltr">{escape(source)}</code>'
    return f'<math display="{style}">{body}</math>'


def _known(source: str) -> str:
    return _ENVIRONMENT.sub(lambda found: rf"\{found[1]}{{{_KIN[found[2]]}}}", _WRAPPER.sub("", source))


def _inside(parent: Element) -> Iterator[str]:
    """Yield an element's content. Its texts are partly escaped, so they are unescaped before being escaped."""
    yield escape(unescape(parent.text or ""))
    for child in parent:
        if child.tag not in TAGS:
            raise ValueError(child.tag)
        yield f"<{child.tag}{''.join(_attributes(child))}>"
        yield from _inside(child)
        yield f"</{child.tag}>{escape(unescape(child.tail or ''))}"


def _attributes(element: Element) -> Iterator[str]:
    for name, value in element.attrib.items():
        if name in ATTRIBUTES and _VALUE.fullmatch(value):
            yield f' {name}="{value}"'


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    for form, display in _INLINE:
        found = form.match(state.src, state.pos, state.posMax)
        if found and found[1].strip():
            if not silent:
                token = state.push("formula", "math", 0)
                token.content, token.meta = found[1].strip(), {"display": display}
            state.pos = found.end()
            return True
    return False


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    first = _line(state, start)
    opening, closing = _marks(first)
    if not opening or state.is_code_block(start):
        return False
    last = _last(state, start, end, first.removeprefix(opening), closing)
    if last is None:
        return False
    if not silent:
        state.line = last + 1
        source = state.getLines(start, state.line, state.blkIndent, False).strip()
        token = state.push("formula_block", "math", 0)
        token.block, token.map = True, [start, state.line]
        token.content = source if opening.startswith(r"\b") else source[2:-2].strip()
    return True


def _marks(line: str) -> tuple[str, str]:
    """Return what opens a block formula in this line, and what must close it."""
    if line.startswith("$$"):
        return "$$", "$$"
    if line.startswith(r"\["):
        return r"\[", r"\]"
    found = _BEGIN.match(line)
    return (found[0], rf"\end{{{found[1]}}}") if found else ("", "")


def _last(state: StateBlock, start: int, end: int, rest: str, closing: str) -> int | None:
    """Return the line at whose end the formula closes; None if it does not before an empty line."""
    length = 0
    for line in range(start, min(end, start + _MOST_LINES)):
        text = rest if line == start else _line(state, line)
        length += len(text)
        if length > _LONGEST or (line > start and (not text or state.sCount[line] < state.blkIndent)):
            return None
        if closing in text:
            return line if text.find(closing) == len(text) - len(closing) and length > len(closing) else None
    return None


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()
