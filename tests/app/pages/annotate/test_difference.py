"""The difference of two answers: exact, harmless, bounded, and easy to read."""

import re
from difflib import Match, SequenceMatcher
from html import escape, unescape
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pages.annotate import difference as module
from app.pages.annotate.difference import difference

TEXTS = st.text(alphabet=st.sampled_from("ab <>&\"'.,\n\t天空。שλ\u0301\u202e👍"), max_size=60) | st.text(max_size=40)


def without_marks(html: str) -> str:
    return html.replace('<mark class="pl-only">', "").replace("</mark>", "")


def marked(html: str) -> list[str]:
    return [unescape(words) for words in re.findall('<mark class="pl-only">(.*?)</mark>', html, re.DOTALL)]


@given(TEXTS, TEXTS)
def test_without_its_marks_each_is_its_text(a: str, b: str):
    assert tuple(map(without_marks, difference(a, b))) == (escape(a), escape(b))


@given(TEXTS)
def test_the_same_text_twice_differs_nowhere(text: str):
    assert difference(text, text) == (escape(text), escape(text))


@given(TEXTS, TEXTS)
def test_a_mark_begins_and_ends_with_a_word(a: str, b: str):
    assert all(words and words == words.strip() for html in difference(a, b) for words in marked(html))


@given(
    st.lists(st.sampled_from(["red", "fox", "runs", "home"])), st.lists(st.sampled_from(["red", "fox", "runs", "so"]))
)
def test_what_is_not_marked_is_the_same_in_both(a: list[str], b: list[str]):
    left, right = difference(" ".join(a), " ".join(b))
    unmarked = [re.sub("<mark.*?</mark>", "", html).split() for html in (left, right)]
    assert unmarked[0] == unmarked[1]


@pytest.mark.parametrize(
    ("a", "b", "only_a", "only_b"),
    [
        ("The red fox runs.", "The blue fox runs!", ["red", "."], ["blue", "!"]),
        ("I saw it.", "I saw it today.", [], ["today"]),
        ("one\ntwo\nthree", "one\n2\nthree", ["two"], ["2"]),
        ("天空是蓝色的", "天空是红色的", ["蓝"], ["红"]),
        ("السماء زرقاء اليوم", "السماء حمراء اليوم", ["زرقاء"], ["حمراء"]),
        ("a  b\nc", "a b c", [], []),
        ("", "all", [], ["all"]),
    ],
)
def test_what_is_marked(a: str, b: str, only_a: list[str], only_b: list[str]):
    assert tuple(map(marked, difference(a, b))) == (only_a, only_b)


def test_a_small_word_between_two_changes_is_no_island():
    assert marked(difference("say cats and dogs now", "say birds and horses now")[0]) == ["cats and dogs"]


def test_5000_words_with_a_few_changes_are_matched():
    random = Random(1)
    words = [f"word{random.randrange(900)}" for _ in range(5_000)]
    changed = [*words]
    for place in range(100, 5_000, 500):
        changed[place] = "other"
    assert marked(difference(" ".join(words), " ".join(changed))[1]) == ["other"] * 10


@pytest.mark.parametrize("words", [("a b", "a c"), ("a b", "b a"), ("x y z", "z q y"), ("a\nb", "a\nc")])
def test_texts_that_repeat_themselves_end_within_the_steps_allowed(words: tuple[str, str], monkeypatch):
    steps = 0

    class Counting(module._Matcher):
        def find_longest_match(
            self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
        ) -> Match:
            nonlocal steps
            if self._steps._left > 0:
                steps += sum(1 + len(self.b2j.get(word, ())) for word in self._words[alo:ahi])
            return super().find_longest_match(alo, ahi, blo, bhi)

    monkeypatch.setattr(module, "_Matcher", Counting)
    monkeypatch.setattr(module, "_MOST_STEPS", 10_000)
    longest = max(len(text.split()) for text in words) * 100
    a, b = (" ".join([text] * 100) if "\n" not in text else "\n".join([text] * 100) for text in words)
    assert [without_marks(html) for html in difference(a, b)] == [a, b]
    assert steps <= 10_000 + longest * (1 + longest)


def test_matches_as_difflib_does_where_nothing_repeats():
    a, b = ["one", "two", "three", "four", "five", "six"], ["one", "2", "three", "four", "five", "6"]
    expected = [" ".join(a[i:j]) for tag, i, j, _, _ in SequenceMatcher(None, a, b).get_opcodes() if tag != "equal"]
    assert marked(difference(" ".join(a), " ".join(b))[0]) == expected
