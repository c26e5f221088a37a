"""Syntax highlighting of code, by Pygments."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import (  # type: ignore[import-untyped]
    Comment,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    String,
    _TokenType,
)

CLASSES = {
    Comment: "pl-c-comment",
    Keyword: "pl-c-keyword",
    Operator.Word: "pl-c-keyword",
    Name.Tag: "pl-c-keyword",
    String: "pl-c-string",
    Literal: "pl-c-number",
    Number: "pl-c-number",
    Name.Function: "pl-c-name",
    Name.Class: "pl-c-name",
    Name.Builtin: "pl-c-name",
    Name.Attribute: "pl-c-name",
    Name.Decorator: "pl-c-name",
    Generic.Deleted: "pl-c-deleted",
    Generic.Inserted: "pl-c-string",
}

_LONGEST = 4_000  # characters; longer code is not highlighted
# Pygments takes time quadratic in the length of a line, of whitespace, and for some languages of the text.
_SLOW = re.compile(r"[^\n]{300}|\s{150}")
# Languages people ask models for. Pygments has 500 more; some, such as C#, take seconds for 5,000 hostile characters.
_LANGUAGES = (
    "bash c c++ cpp css diff docker dockerfile go golang haskell html ini java javascript js json julia kotlin"
    " lua php powershell py python r rb rs ruby rust scala sh shell sql swift toml ts typescript xml yaml yml zsh"
)


def highlighted(code: str, language: str) -> str:
    """Return the code as safe HTML, highlighted in spans of the classes above if the language is known."""
    if language.lower() not in _LANGUAGES.split() or len(code) > _LONGEST or _SLOW.search(code):
        return escape(code)
    lexer = get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
    *tokens, (kind, last) = lexer.get_tokens(f"{code}\n")  # some lexers need the line end
    return "".join(_spans([*tokens, (kind, last.removesuffix("\n"))]))


def _spans(tokens: Sequence[tuple[_TokenType, str]]) -> Iterator[str]:
    for kind, run in groupby(tokens, lambda token: _class(token[0])):
        text = escape("".join(piece for _, piece in run))
        yield f'<span class="{kind}">{text}</span>' if kind else text


def _class(kind: _TokenType) -> str:
    """Return the class of the nearest token type that has one."""
    return next((CLASSES[known] for known in reversed(kind.split()) if known in CLASSES), "")
