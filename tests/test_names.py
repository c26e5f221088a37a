"""The house: a class or a type alias is defined once in all three packages, and no module grows too long."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def defined(tree: ast.Module) -> Iterator[str]:
    """Public classes and, written like classes, type aliases at the top of a module."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) if name[0].isupper() and not name.isupper():
                yield name


@pytest.fixture(scope="module")
def places() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for package in ("app", "trainer", "data"):
        for file in (ROOT / package).rglob("*.py"):
            for name in defined(ast.parse(file.read_text(encoding="utf-8"))):
                found[name].append(str(file.relative_to(ROOT)))
    return found


def test_a_name_stands_for_one_thing(places: dict[str, list[str]]) -> None:
    assert len(places) > 500
    assert {name: files for name, files in places.items() if len(files) > 1 and not name.startswith("_")} == {}


@pytest.mark.parametrize("package", ["app", "trainer", "data"])
def test_no_module_is_longer_than_can_be_read_at_once(package: str) -> None:
    lines = {file: file.read_text(encoding="utf-8").count("\n") for file in (ROOT / package).rglob("*.py")}
    assert {str(file.relative_to(ROOT)): count for file, count in lines.items() if count > 300} == {}
