"""The words that only one of two texts has. Knows nothing of pages."""

import re
from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher
from html import escape
from typing import NamedTuple

_CJK = "\u2e80-\u9fff\ua000-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
# A character of Chinese or Japanese, a sign of punctuation, or what stands between spaces and those.
_WORD = re.compile(rf"[{_CJK}]|[!-/:-@\[-^`{{-~]|[^\s!-/:-@\[-^`{{-~{_CJK}]+")
_LINE = re.compile(r"[^\n]+")
_LONG = 250_000  # words of one times words of the other
_MOST_STEPS = 8_000_000  # of difflib, about a second; what is not matched by then counts as different


class _Same(NamedTuple):
    """Where both texts say the same: from `a` to `a_end`, and from `b` to `b_end`, in characters."""

    a: int
    b: int
    a_end: int
    b_end: int


class _Steps:
    """How much may still be compared."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, steps: int) -> bool:
        self._left -= steps
        return self._left >= 0


class _Matcher(SequenceMatcher[str]):
    """difflib's matcher, cubic at worst: it finds no more once the steps are used up."""

    b2j: dict[str, list[int]]  # difflib's: where in b each word is

    def __init__(self, a: Sequence[str], b: Sequence[str], steps: _Steps) -> None:
        # Starting from the words that fill a long text would take most steps, and lead nowhere.
        super().__init__(None, a, b, autojunk=len(a) * len(b) > _LONG)
        self._words, self._steps = a, steps

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        steps = sum(1 + len(self.b2j.get(word, ())) for word in self._words[alo:ahi])
        return super().find_longest_match(alo, ahi, blo, bhi) if self._steps.take(steps) else Match(alo, blo, 0)


def difference(a: str, b: str) -> tuple[str, str]:
    """Both texts as safe HTML, with `<mark class="pl-only">` around the words that only that one has.

    Without the marks each is its text, escaped. Whole lines are matched first, then the words between those. Spaces
    and line breaks alone make no difference.
    """
    whole = _Same(0, 0, len(a), len(b))
    steps = _Steps(_MOST_STEPS)
    lines = _same(_LINE, a, b, whole, steps)
    same = [found for gap in _gaps(lines, whole) for found in _same(_WORD, a, b, gap, steps)]
    islands = _readable(sorted(lines + same), whole)
    gaps = list(_gaps(islands, whole))
    return _marked(a, [(gap.a, gap.a_end) for gap in gaps]), _marked(b, [(gap.b, gap.b_end) for gap in gaps])


def _same(unit: re.Pattern[str], a: str, b: str, within: _Same, steps: _Steps) -> list[_Same]:
    """Runs of units that both texts have there, in order."""
    in_a, in_b = list(unit.finditer(a, within.a, within.a_end)), list(unit.finditer(b, within.b, within.b_end))
    matcher = _Matcher([found[0] for found in in_a], [found[0] for found in in_b], steps)
    return [
        _Same(in_a[i].start(), in_b[j].start(), in_a[i + size - 1].end(), in_b[j + size - 1].end())
        for i, j, size in matcher.get_matching_blocks()
        if size
    ]


def _gaps(same: Sequence[_Same], whole: _Same) -> Iterator[_Same]:
    """What lies between, before and after; as many as `same`, and one."""
    ends = [(whole.a, whole.b), *((run.a_end, run.b_end) for run in same)]
    starts = [*((run.a, run.b) for run in same), (whole.a_end, whole.b_end)]
    for (a, b), (a_end, b_end) in zip(ends, starts, strict=True):
        yield _Same(a, b, a_end, b_end)


def _readable(same: Sequence[_Same], whole: _Same) -> list[_Same]:
    """Without islands no longer than what differs before and after them, as in diff-match-patch's semantic cleanup."""
    kept: list[_Same] = []
    following = list(_gaps(same, whole))[1:]
    for run, after in zip(same, following, strict=True):
        before = _Same(*(kept[-1][2:] if kept else whole[:2]), *run[:2])
        if run.a_end - run.a > min(_size(before), _size(after)):
            kept.append(run)
    return kept


def _size(gap: _Same) -> int:
    return max(gap.a_end - gap.a, gap.b_end - gap.b)


def _marked(text: str, gaps: Sequence[tuple[int, int]]) -> str:
    """The text, with a mark around the words of each gap."""
    html, done = "", 0
    for start, end in gaps:
        words = text[start:end].strip()
        if words:
            first = text.index(words, start)
            html += f'{escape(text[done:first])}<mark class="pl-only">{escape(words)}</mark>'
            done = first + len(words)
    return html + escape(text[done:])
