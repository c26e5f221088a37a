"""Which way each block of a Markdown text is read. Knows nothing of HTML but its `dir`.

Browsers' `dir="auto"` sees no text in a list whose paragraphs have a direction of their own, so the first strong
character is found here (Unicode Standard Annex 9, rules P2 and P3).
"""

import unicodedata
from collections.abc import Sequence

from markdown_it.token import Token

_BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table", "th", "td"})
_DIRECTIONS = {"L": "ltr", "R": "rtl", "AL": "rtl"}


def set_directions(tokens: Sequence[Token]) -> None:
    """Give each block the direction of its first strong character; those without one keep their parent's."""
    undecided: list[Token] = []  # the innermost of the open blocks
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
    """Code and formulas do not count: they are read from the left in every language."""
    characters = (char for word in words if word.type == "text" for char in word.content)
    return next((_DIRECTIONS[kind] for kind in map(unicodedata.bidirectional, characters) if kind in _DIRECTIONS), None)
