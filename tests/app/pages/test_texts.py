"""The table of texts: whatever the pages can say has 中文, and nothing else is in it."""

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.pages.layout import static
from app.reports.round_tables import report_words
from app.rounds.algorithms import Algorithm
from app.settings.settings import Settings
from tests.models import EVALUATION, REPORT
from trainer.interface.manifest import Canary, Manifest, RewardReport

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "app/pages/static"
HTML = sorted(STATIC.rglob("*.html"))
SCRIPTS = sorted(STATIC.rglob("*.js"))
PYTHON = sorted(path for layer in ("app", "data") for path in (ROOT / layer).rglob("*.py"))
TABLE: dict[str, str] = json.loads(static("shared/texts.zh.json"))
NOT_TRANSLATED = {"prefloop", "A", "B", "English", "中文"}
WITHOUT_WORDS = {"kbd", "option", "pre", "style", "script"}
READ_OUT = ("title", "placeholder", "aria-label", "alt")
VOID = {"meta", "input", "br", "hr", "img", "link"}
SAID_TO_PEOPLE = (  # whose errors people can meet on a page
    "app/people/accounts.py",
    "app/versions/registry.py",
    "app/annotation/blinding.py",
    "app/annotation/desk.py",
    "app/file_reading/process.py",
    "app/datasets/hub.py",
    "app/rounds/disk_space.py",
    "data/annotation/completions.py",
    "data/prompts/conversations.py",
    "data/versions/decisions.py",
    "data/support/disk.py",
    "data/annotation/edits.py",
    "data/annotation/gold.py",
    "data/annotation/guidelines.py",
    "data/exchange/imports.py",
    "data/people/invites.py",
    "data/annotation/judgments.py",
    "data/annotation/leases.py",
    "data/annotation/pairs.py",
    "data/people/people.py",
    "data/prompts/prompts.py",
    "data/barring/quarantines.py",
    "data/annotation/validate_judgment.py",
)
# t('...', t("...": up to the closing quote of the same kind
SPOKEN = re.compile(r"""\bt\(\s*(['"])((?:(?!\1)[^\\\n]|\\.)*)\1""")
HOLE = re.compile(r"\{(\w+)\}")


class Words(HTMLParser):
    """The words of an HTML file: those marked to be translated, and those that are shown without a mark."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.marked: set[str] = set()
        self.bare: set[str] = set()
        self._open: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in READ_OUT:
            if value := given.get(name):
                (self.marked if f"data-t-{name}" in given else self.bare).add(value)
        if tag not in VOID:
            self._open.append((tag, "data-t" in given))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        words = data.strip()
        tag, marked = self._open[-1] if self._open else ("", False)
        if re.fullmatch(r"(@\w+@\s*)*", words) or not any(map(str.isalpha, words)):
            return  # filled in by the server, or nothing to read
        if marked:
            self.marked.add(words)
        elif tag not in WITHOUT_WORDS:
            self.bare.add(words)


def of_script(text: str) -> set[str]:
    """What a script says by t('...')."""
    return {re.sub(r"\\(.)", r"\1", match[2]) for match in SPOKEN.finditer(text)}


def notes(tree: ast.Module) -> Iterator[str]:
    """The words of all Note(words=...), either branch of an `if` in there."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Note":
            for keyword in call.keywords:
                if keyword.arg == "words":
                    yield from constants(keyword.value)


def errors(tree: ast.Module) -> Iterator[str]:
    """The templates of all errors made, given as they are or by the name of a constant; f-strings have none."""
    named = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id.endswith("Error"):
            for first in call.args[:1]:
                found = named.get(first.id, first) if isinstance(first, ast.Name) else first
                yield from constants(found)


def constants(node: ast.expr) -> Iterator[str]:
    """The texts an expression can come to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from constants(node.body)
        yield from constants(node.orelse)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


VERSIONS = (EVALUATION.against_base.rival, EVALUATION.against_champion.rival)
"""A table's heads, but no words."""


def of_report() -> set[str]:
    """The words of a round's report with everything in it."""
    reward = RewardReport(train_accuracy=0.9, heldout_accuracy=0.7, calibration_error=0.1)
    shown = report_words(
        Manifest(
            snapshot_sha256="",
            adapter_sha256="",
            model="",
            revision="",
            steps=1,
            report=REPORT.model_copy(update={"reward": reward, "algorithm": Algorithm.PPO.value}),
            canary=Canary(prompt=(), token_ids=(), logprobs=(), base_logprobs=()),
            software={},
            evaluation=EVALUATION,
        )
    )
    words = {name for name, _ in shown["tiles"]}
    for table in shown["tables"]:
        words |= {table["title"], *table["head"], *(row[0] for row in table["rows"])}
    return words - {"", *VERSIONS}


def everything_said() -> set[str]:
    said = set(Settings().reasons) | of_report()
    for page in HTML:
        said |= Words(page.read_text()).marked
    for script in (*SCRIPTS, *HTML):
        said |= of_script(script.read_text())
    for path in PYTHON:
        said |= set(notes(tree(path)))
    for name in SAID_TO_PEOPLE:
        said |= set(errors(tree(ROOT / name)))
    return said


def all_constants() -> set[str]:
    """Every text in the program: some words are sent by way of a dict or a constant of their own."""
    return {
        node.value
        for path in PYTHON
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_all_that_can_be_said_has_chinese_words():
    assert everything_said() - TABLE.keys() == set()


def test_no_entry_is_unused():
    assert TABLE.keys() - everything_said() - all_constants() == set()


@pytest.mark.parametrize("words", TABLE)
def test_both_languages_name_the_same_values(words: str):
    assert TABLE[words].strip()
    assert sorted(HOLE.findall(TABLE[words])) == sorted(HOLE.findall(words))


@pytest.mark.parametrize("page", HTML, ids=lambda path: str(path.relative_to(STATIC)))
def test_nothing_visible_lacks_a_mark(page: Path):
    assert Words(page.read_text()).bare - NOT_TRANSLATED == set()


def test_words_are_found_wherever_they_stand():
    script = """t('one'); t(\n  "it's two", {n}); count === 1 ? t('3 {n}') : t('a \\'b\\''); at('no'); t(name)"""
    assert of_script(script) == {"one", "it's two", "3 {n}", "a 'b'"}
    page = Words('<p data-t>Marked</p><p>Bare <b aria-label="Read">B</b></p><i title="T" data-t-title></i>@nav@')
    assert (page.marked, page.bare) == ({"Marked", "T"}, {"Bare", "Read", "B"})
    code = ast.parse("X = 'x'\nNote(words='a' if y else 'b')\nraise InputError(X)\nraise InputError(f'{y}')\nSome('z')")
    assert (set(notes(code)), set(errors(code))) == ({"a", "b"}, {"x"})
