"""The map is that of the code: paths exist, rooms are those of the packages, and the order is that of the contracts."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
PACKAGES = ("app", "trainer", "data")
PATH = re.compile(r"`((?:app|trainer|data|tests|docs|benchmarks)/[\w/.-]*|(?:CHANGELOG|README)\.md|pyproject\.toml)`")
TESTED = ("architecture.md", "contributing.md")


def in_words(text: str) -> str:
    """A text with single spaces, wherever its lines end."""
    return " ".join(text.split())


def purpose(package: Path) -> str:
    """The first line of a package's docstring."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    assert text, package
    return text.splitlines()[0]


@pytest.mark.parametrize("page", TESTED)
def test_paths_that_are_named_exist(page: str) -> None:
    paths = PATH.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_order_is_that_of_the_contracts(package: str) -> None:
    [contract] = [one for one in CONTRACTS if one.get("containers") == [package]]
    assert f"{package} {' -> '.join(contract['layers'])}" in in_words(ARCHITECTURE)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_is_listed_with_its_docstring(package: str) -> None:
    rooms = {
        str(init.parent.relative_to(ROOT)): purpose(init.parent) for init in (ROOT / package).glob("*/__init__.py")
    }
    listed = dict(re.findall(rf"^\| `({package}/\w+)/` \| (.*) \| `.*` \|$", ARCHITECTURE, re.MULTILINE))
    assert listed == rooms


def test_a_room_is_started_at_a_file_of_its_own() -> None:
    rows = re.findall(r"^\| `(\w+/\w+/)` \| .* \| `(.*)` \|$", ARCHITECTURE, re.MULTILINE)
    assert [start for room, start in rows if not start.startswith(room)] == []
