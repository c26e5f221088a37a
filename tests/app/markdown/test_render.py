"""Markdown of strangers: readable, harmless whatever it says, and nothing of it hidden."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.markdown.code import CLASSES
from app.markdown.render import Markdown
from app.pages.layout import static
from tests.app.pages_stage import HOSTILE

VOID = {"br", "hr"}
HTML = {"p", "br", "strong", "em", "s", "code", "pre", "ul", "ol", "li", "blockquote", "h3", "h4", "h5", "h6", "hr"}
HTML |= {"table", "thead", "tbody", "tr", "th", "td", "span", "div"}
MATHML = {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup"}
MATHML |= {"munder", "mover", "munderover", "mmultiscripts", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom"}
MATHML |= {"menclose", "mprescripts", "none"}
ATTRIBUTE = re.compile(
    r'(dir="(ltr|rtl|auto)"|tabindex="0"|class="pl-[a-z-]+"|start="\d+"|data-language="[^"]*"'
    r"|(display|displaystyle|scriptlevel|stretchy|fence|form|separator|[lr]space|minsize|maxsize|largeop|movablelimits"
    r"|symmetric|accent|accentunder|linethickness|width|height|depth|voffset|mathvariant|columnalign|columnlines|rowlines"
    r'|notation)="[a-z0-9 .%+-]*")'
)
# Pieces that open something: Markdown's own, mathematics', the browser's.
PIECES = [
    HOSTILE,
    *"<>\"'&`\n[]()|*_~#$\\{}^!:;=/ 1ax\x00\x07\u202e\u200b\ud800。שλ👍",
    "](",
    "```",
    "    ",
    "* ",
    "1. ",
    "> ",
    "$$",
    r"\[",
    r"\]",
    r"\(",
    r"\)",
    r"\frac",
    r"\text{",
    r"\begin{align}",
    r"\end{align}",
    r"\begin{pmatrix}",
    "^",
    r"\href{javascript:alert(1)}{x}",
    r"\style{",
    r"\class{",
    r"\unicode{x3c}",
    r"\newcommand{\x}{\x\x}",
    r"\hline",
    "on=",
    "<svg onload=x>",
    "<math><mtext><style>",
    "|-|-|\n",
    "```html\n",
    "&#60;",
    "&lt;",
    "&#8238;",
    "<!--",
    "]]>",
]


class Elements(HTMLParser):
    """What a page would make of HTML: its elements in order, and its text; fails where they do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(data)


def html(text: str) -> str:
    return Markdown().html(text)


def elements(text: str) -> list[str]:
    return [tag for tag, _ in Elements(html(text)).found]


def attributes(text: str, tag: str, name: str) -> list[str | None]:
    return [attrs.get(name) for found, attrs in Elements(html(text)).found if found == tag]


def seen(text: str) -> str:
    return Elements(html(text)).text.strip()


class TestWords:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("**bold** and `a < b`", '<p dir="ltr"><strong>bold</strong> and <code dir="ltr">a &lt; b</code></p>\n'),
            ("one\ntwo", '<p dir="ltr">one<br>\ntwo</p>\n'),
            ("<b>no</b>", '<p dir="ltr">&lt;b&gt;no&lt;/b&gt;</p>\n'),
            ("[go](javascript:alert(1))", '<p dir="ltr">[go](javascript:alert(1))</p>\n'),
            ("http://plain.example", '<p dir="ltr">http://plain.example</p>\n'),
            ("", ""),
        ],
    )
    def test_what_becomes_of_them(self, text: str, expected: str):
        assert html(text) == expected

    def test_headings_stay_below_those_of_the_page(self):
        assert elements("# 1\n## 2\n### 3\n#### 4\n##### 5\n###### 6") == ["h3", "h4", "h5", "h6", "h6", "h6"]

    @pytest.mark.parametrize(
        ("text", "strong"),
        [("**重点。**后面", 1), ("前面**“重点”**后面", 1), ('a**"b"**c', 0), ("今日は**重要**です", 1)],
    )
    def test_emphasis_needs_no_spaces_in_writing_that_has_none(self, text: str, strong: int):
        assert elements(text).count("strong") == strong

    @given(st.text(alphabet="ab *_.,()\n", max_size=40))
    def test_emphasis_in_other_writing_is_commonmarks(self, text: str):
        emphasis = re.compile("<(?:em|strong)>")
        assert emphasis.findall(html(text)) == emphasis.findall(MarkdownIt("commonmark").render(text))


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[words](http://evil.example/)", "words (http://evil.example/)"),
            ('[words](http://evil.example/ "title")', 'words (http://evil.example/ "title")'),
            ("<http://evil.example/>", "http://evil.example/"),
            ("![words](http://evil.example/p.png)", "words (http://evil.example/p.png)"),
            ("![](http://evil.example/p.png)", "(http://evil.example/p.png)"),
            ("[words][1]\n\n[1]: http://evil.example/", "[words][1]\n[1]: http://evil.example/"),
        ],
    )
    def test_are_text(self, text: str, words: str):
        assert seen(text) == words
        assert not {"a", "img"} & {*elements(text)}


class TestCode:
    def test_keeps_each_character_and_says_its_language(self):
        code = 'def f(x):\n\treturn f"<{x}>"  # & more\n\n'
        assert Elements(html(f"```python\n{code}```")).text.rstrip("\n") == code.rstrip("\n")
        assert attributes(f"```python\n{code}```", "pre", "data-language") == ["python"]

    @given(
        st.sampled_from(["python", "js", "html", "sh", "json", "c++", "diff", "sql", "none"]),
        st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="`\u00ad"), max_size=60),
    )
    def test_colours_change_no_text(self, language: str, code: str):
        assert Elements(html(f"```{language}\n{code}\n```")).text.rstrip("\n") == code.rstrip("\n")

    def test_has_words_coloured_by_kind(self):
        assert 'class="pl-c-keyword">def<' in html("```py\ndef f(): pass\n```")

    def test_has_its_last_line_coloured_as_well(self):
        assert html("```diff\n- old\n+ new\n```").count("<span") == 2

    def test_that_is_long_or_in_no_known_language_has_one_colour(self):
        assert elements("```py\n" + "x = 1\n" * 1_000 + "```") == elements("```klingon\nx = 1\n```") == ["pre", "code"]

    def test_is_reached_by_keyboard_and_read_from_the_left(self):
        assert html("```\nשלום\n```") == '<pre tabindex="0" dir="ltr"><code>שלום</code></pre>\n'


class TestFormulas:
    @pytest.mark.parametrize("text", ["$x^2$", r"\(x^2\)", "so $x^2$.", "设$x^2$为", "**$x^2$**"])
    def test_in_a_line(self, text: str):
        assert '<math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>' in html(text)

    @pytest.mark.parametrize(
        "text",
        [
            "$$x$$",
            r"\[x\]",
            "$$\nx\n$$",
            "\\[\nx\n\\]",
            "Thus:\n$$\nx\n$$\nend",
            "> $$\n> x\n> $$",
            "- \\[\n  x\n  \\]",
        ],
    )
    def test_on_their_own(self, text: str):
        assert '<math display="block"><mrow><mi>x</mi></mrow></math>' in html(text)

    def test_on_their_own_have_limits_above_and_below(self):
        assert elements(r"$$\sum_{i=1}^n i$$").count("munderover") == 1
        assert elements(r"$\sum_{i=1}^n i$").count("msubsup") == 1

    def test_may_have_lines_that_look_like_a_list(self):
        assert elements("So\n\\[\na\n+ b\n\\]").count("li") == 0

    @pytest.mark.parametrize(
        ("name", "rows"),
        [("align", 2), ("aligned", 2), ("gather*", 2), ("cases", 2), ("pmatrix", 2), ("alignat*}{2", 2)],
    )
    def test_in_environments(self, name: str, rows: int):
        bare = name.partition("}")[0]
        assert elements(f"$$\\begin{{{name}}}a&b\\\\c&d\\end{{{bare}}}$$").count("mtr") == rows

    @pytest.mark.parametrize(
        "text",
        [
            "$5 and $6",
            "from $5 to $6.",
            "$5-$10",
            "$5 per month, or 50$ a year",
            "$1.5 million and 2$",
            "US$5 and CA$6",
            "$HOME/$USER",
            r"\$x\$",
            "a $ b $ c",
            "`$x$`",
        ],
    )
    def test_prices_variables_and_code_are_none(self, text: str):
        assert "math" not in elements(text)

    @pytest.mark.parametrize(
        "source",
        [
            r"\frac{",
            r"\left( x",
            "{" * 400,
            "_" * 900,
            r"\href{http://e}{x}",
            r"\class{a}{x}",
            r"\style{color:red}{x}",
            "x % y",
            r"\newcommand{\x}{y}\x",
            r"\def\x{y}\x",
        ],
    )
    def test_that_cannot_be_drawn_without_hiding_something_show_their_source(self, source: str):
        assert seen(f"${source}$") == source

    def test_that_are_hostile_are_words(self):
        assert seen(r"$\text{<img src=x onerror=alert(1)>}$") == "<img\xa0src=x\xa0onerror=alert(1)>"

    def test_too_long_for_one_stay_text(self):
        assert "math" not in elements(f"${'x+' * 600}x$")


class TestDirections:
    @pytest.mark.parametrize(
        ("text", "tag", "directions"),
        [
            ("Hello\n\nשלום", "p", ["ltr", "rtl"]),
            ("- שלום\n- abc", "ul", ["rtl"]),
            ("- abc\n\n- שלום", "p", ["ltr", "rtl"]),
            ("1. abc\n   - مرحبا", "ul", ["rtl"]),
            ("> - مرحبا", "blockquote", ["rtl"]),
            ("`code` שלום", "p", ["rtl"]),
            ("123", "p", [None]),
            ("|a|ש|\n|-|-|", "th", ["ltr", "rtl"]),
        ],
    )
    def test_are_those_of_the_first_letter(self, text: str, tag: str, directions: list[str | None]):
        assert attributes(text, tag, "dir") == directions


class TestSigns:
    @pytest.mark.parametrize("char", ["\u202e", "\u2066", "\u200b", "\u00ad", "\ufeff", "\x07", "\x9b", "\U000e0041"])
    def test_stand_for_what_cannot_be_seen(self, char: str):
        assert seen(f"a{char}b `c{char}d`") == f"aU+{ord(char):04X}b cU+{ord(char):04X}d"

    @pytest.mark.parametrize(
        "text", ["👨\u200d👩\u200d👧", "❤\ufe0f", "می\u200cخواهم", "🏴\U000e0067\U000e0062\U000e007f", "é"]
    )
    def test_leave_letters_and_emoji_whole(self, text: str):
        assert seen(text) == text

    def test_stand_for_entities_too(self):
        assert seen("a&#8238;b") == "aU+202Eb"

    def test_what_no_page_can_carry_is_replaced(self):
        assert seen("a\x00b\ud800c") == "a\ufffdb\ufffdc"


class TestLimits:
    @pytest.mark.parametrize("text", [">" * 10_000 + " deep", "- a\n" * 20_000, "a" * 200_000, "*a" * 100_000])
    def test_what_is_too_deep_or_long_is_shown_as_written(self, text: str):
        assert html(text) == f'<p class="pl-written" dir="auto">{text.replace(">", "&gt;")}</p>\n'

    def test_20000_characters_are_not_too_long(self):
        assert elements("a **b** c\n\n" * 1_800).count("strong") == 1_800

    @pytest.mark.parametrize(
        "unit", ["![", "$$ a\n\n", r"\\(a", "$a ", "\\begin{align}\n", "*a**b_c__", "[a](", "`a``", "|a"]
    )
    def test_what_opens_and_never_ends_is_text(self, unit: str):
        assert unit.strip()[-1:] in seen(unit * (8_000 // len(unit)))


class TestColours:
    @pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
    def test_of_code_have_a_contrast_of_4_5_to_their_ground(self, mode: int):
        """WCAG 2.2, success criterion 1.4.3; relative luminance as defined there."""

        def colours(style: str) -> dict[str, str]:
            root = re.findall(r":root[^{]*\{([^}]*)\}", static(style))[mode]
            return dict(re.findall(r"--(pl-[a-z-]+): #([0-9a-f]{6})", root))

        def luminance(colour: str) -> float:
            parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
            linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

        def contrast(one: str, other: str) -> float:
            darker, lighter = sorted(map(luminance, (one, other)))
            return (lighter + 0.05) / (darker + 0.05)

        assert contrast("ffffff", "000000") == pytest.approx(21)
        ground, code = colours("shared/base.css")["pl-sunk"], colours("shared/answer.css")
        assert {*CLASSES.values()} == {*code}
        assert {name: ratio for name, colour in code.items() if (ratio := contrast(colour, ground)) < 4.5} == {}


class TestHarm:
    @settings(max_examples=400)
    @given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=25).map("".join))
    def test_cannot_come_from_any_text(self, text: str):
        found = Elements(html(text)).found
        assert [tag for tag, _ in found if tag not in HTML | MATHML] == []
        pairs = [f'{name}="{value}"' for _, attrs in found for name, value in attrs.items()]
        assert [pair for pair in pairs if not ATTRIBUTE.fullmatch(pair)] == []

    @settings(max_examples=200)
    @given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
    def test_cannot_come_from_any_formula(self, source: str):
        found = Elements(html(f"$x{source}x$\n\n$$\n{source}\n$$")).found
        assert [tag for tag, _ in found if tag not in HTML | MATHML] == []

    @given(st.text(st.characters(categories=["L", "N"]), max_size=200))
    def test_no_letter_is_lost(self, text: str):
        assert seen(text) == text
