"""What the documents say is checked against the code and the repository."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from app import cli
from app.config import Settings
from data.formats.trl import Row
from trainer.base import PLAIN_TEMPLATE
from trainer.config import SMALL_MODEL, DPOConfig, default_training

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def table_rows(text: str, prefix: str = "") -> Iterator[list[str]]:
    """The cells of every table row whose first cell is code beginning with `prefix`."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith(f"| `{prefix}"):
            yield [cell.strip("`") for cell in cells]


def fenced(text: str, language: str) -> str:
    """The one block of code in a language."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(block)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def commands(command: object, words: tuple[str, ...] = ("prefloop",)) -> Iterator[str]:
    children: dict[str, object] = getattr(command, "commands", {})
    if not children:
        yield " ".join(words)
    for name, child in children.items():
        yield from commands(child, (*words, name))


def settings_section() -> str:
    return OPERATIONS.partition("\n## Settings\n")[2].partition("\n## ")[0]


def test_every_setting_is_listed_with_its_default() -> None:
    expected: dict[str, str] = {}
    for name, default in Settings().model_dump(mode="json", exclude={"training"}).items():
        if isinstance(default, dict):
            expected |= {f"{name}.{key}": json.dumps(value) for key, value in default.items()}
        else:
            expected[name] = "none" if default is None else json.dumps(default)
    expected["trainer"] = '[PYTHON, "-m", "trainer"]'
    assert set(Settings.model_fields) - {key.partition(".")[0] for key in expected} == {"training"}
    assert Settings().trainer[1:] == ("-m", "trainer")
    listed = {row[0]: row[1] for row in table_rows(settings_section()) if not row[0].startswith("training.")}
    assert listed == expected


def test_every_training_setting_is_listed_with_both_defaults() -> None:
    small, other = (default_training(size).model_dump(mode="json") for size in (SMALL_MODEL - 1, SMALL_MODEL))
    expected = {f"training.{key}": (json.dumps(small[key]), json.dumps(other[key])) for key in other}
    assert {row[0]: (row[1], row[2]) for row in table_rows(OPERATIONS, "training.")} == expected
    assert DPOConfig().model_dump(mode="json") == other


def test_what_a_sampling_section_leaves_out_has_the_listed_default() -> None:
    assert Settings.model_validate({"sampling": {}}).sampling == Settings().sampling


def test_the_example_of_prefloop_toml_is_valid() -> None:
    settings = Settings.model_validate(tomllib.loads(fenced(OPERATIONS, "toml")))
    assert settings.training is not None
    assert settings.sampling != Settings().sampling


def test_the_plain_chat_template_is_the_one_in_use() -> None:
    assert fenced(OPERATIONS, "jinja").removesuffix("\n") == PLAIN_TEMPLATE


def test_every_command_is_in_the_readme() -> None:
    names = list(commands(typer.main.get_command(cli.app)))
    assert "prefloop user add" in names
    readme = README.read_text(encoding="utf-8")
    assert [name for name in names if name not in readme] == []


def test_the_trl_example_is_a_line_of_an_export() -> None:
    line = json.loads(fenced(FORMATS, "jsonl"))
    assert list(line) == list(Row.__annotations__) == ["prompt", "chosen", "rejected"]
    for turn in line["prompt"] + line["chosen"] + line["rejected"]:
        assert list(turn) == ["role", "content"]
        assert isinstance(turn["content"], str)
    assert line["prompt"][-1]["role"] == "user"
    assert [turn["role"] for turn in line["chosen"] + line["rejected"]] == ["assistant", "assistant"]
    assert line["chosen"] != line["rejected"]


@pytest.mark.parametrize("page", [README, *DOCS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.is_file() or (anchor and anchor not in anchors(path)):
            dead.append(target)
    assert dead == []


def test_every_page_is_linked_from_the_readme() -> None:
    readme = README.read_text(encoding="utf-8")
    assert [page.name for page in DOCS if f"(docs/{page.name})" not in readme] == []


@pytest.mark.parametrize("page", [README, *DOCS], ids=lambda page: page.name)
def test_modules_that_are_named_exist(page: Path) -> None:
    names = re.findall(r"`((?:app|trainer|data|tests)/[\w/.]+)`", page.read_text(encoding="utf-8"))
    assert [name for name in names if not (ROOT / name).exists()] == []
