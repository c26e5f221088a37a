"""Emphasis next to Chinese, Japanese and Korean text, which has no spaces between words.

CommonMark does not see emphasis in `**重点。**后面`, where punctuation meets a letter. The rules here are those of
markdown-cjk-friendly (github.com/tats-u/markdown-cjk-friendly): a neighbour in these scripts counts as a space.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType

_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]"
)


class CjkInline(ParserInline):
    """markdown-it's inline parser with these rules."""

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        """Append the tokens of `src`."""
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        scanned = super().scanDelims(start, canSplitWord)
        end = start + scanned.length
        before, after = self.src[max(start - 1, 0) : start] or " ", self.src[end : end + 1] or " "
        if not canSplitWord or not (_CJK.match(before) or _CJK.match(after)):
            return scanned
        opens = not _space(after) and (not _point(after) or _edge(before))
        closes = not _space(before) and (not _point(before) or _edge(after))
        return Scanned(opens, closes, scanned.length)


def _space(char: str) -> bool:
    return isWhiteSpace(ord(char))


def _point(char: str) -> bool:
    """Return whether it is punctuation that needs a space on its other side."""
    return (isMdAsciiPunct(ord(char)) or isPunctChar(char)) and not _CJK.match(char)


def _edge(char: str) -> bool:
    return _space(char) or _point(char) or bool(_CJK.match(char))
