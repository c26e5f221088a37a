"""Text direction (`dir`) of each block of a Markdown text.

Browsers' `dir="auto"` ignores text in child elements that have a `dir` of their own, as in a list of paragraphs, so the
first strong character is found here (Unicode Standard Annex 9, rules P2 and P3).
"""

import unicodedata
from collections.abc import Sequence

from markdown_it.token import Token

_BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table", "th", "td"})
_DIRECTIONS = {"L": "ltr", "R": "rtl", "AL": "rtl"}


def set_directions(tokens: Sequence[Token]) -> None:
    """Set each block's direction to that of its first strong character; blocks without one inherit their parent's."""
    undecided: list[Token] = []  # open blocks without a direction, the innermost last
    for token in tokens:
        if token.nesting == 1:
            undecided.append(token)
        elif token.nesting == -1 and undecided:
            undecided.pop()
        elif undecided and (direction := _direction(token.children or ())):
            for block in undecided:
                if block.tag in _BLOCKS:
                    block.attrSet("dir", direction)
            undecided.clear()


def _direction(words: Sequence[Token]) -> str | None:
    """Return the direction of the first strong character; code and formulas, always left to right, do not count."""
    characters = (char for word in words if word.type == "text" for char in word.content)
    return next((_DIRECTIONS[kind] for kind in map(unicodedata.bidirectional, characters) if kind in _DIRECTIONS), None)
