"""Markdown of strangers: readable, and harmless whatever it says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pages.markdown import Markdown
from tests.app.pages_stage import HOSTILE

HARMLESS = re.compile(
    r"</?(p|br|strong|em|s|code|pre|ul|ol|li|blockquote|h[1-6]|hr|table|thead|tbody|tr|th|td|span)"
    r'( class="language-[^"<>]*"| start="\d+"| style="text-align:(left|right|center)")? ?/?>'
)


def tags(html: str) -> list[str]:
    return re.findall(r"<[^>]*>?", html)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and `a < b`", "<p><strong>bold</strong> and <code>a &lt; b</code></p>\n"),
        ("one\ntwo", "<p>one<br />\ntwo</p>\n"),
        ("<b>no</b>", "<p>&lt;b&gt;no&lt;/b&gt;</p>\n"),
        ("[words](http://evil.example/)", "<p><span>words (http://evil.example/)</span></p>\n"),
        ("<http://evil.example/>", "<p><span>http://evil.example/ (http://evil.example/)</span></p>\n"),
        ("[go](javascript:alert(1))", "<p>[go](javascript:alert(1))</p>\n"),
        ("http://plain.example", "<p>http://plain.example</p>\n"),
    ],
)
def test_what_becomes_of_markdown(text: str, html: str):
    assert Markdown().html(text) == html


def test_an_image_asks_nobody_for_anything():
    assert "<img" not in Markdown().html("![p](http://evil.example/p.png)")


@given(
    st.lists(
        st.sampled_from([HOSTILE, "<", ">", '"', "'", "&", "`", "```", "\n", "[", "](", ")", "|", "x", "* ", "on="])
    )
)
def test_only_harmless_tags_come_out(parts: list[str]):
    found = tags(Markdown().html("".join(parts)))
    assert [tag for tag in found if not HARMLESS.fullmatch(tag)] == []
