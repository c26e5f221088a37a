"""The commands that the documents show are those that the command line takes."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli import main as cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = ROOT / "docs" / "cli.md"
EXAMPLES = ROOT / "docs" / "commands.md"
FIRST_RELEASE = Path(__file__).with_name("commands_of_0.1.txt")
GENERATE = (sys.executable, "-m", "typer", "app.cli.main", "utils", "docs", "--name", "prefloop")


def shown(page: Path) -> list[str]:
    """The commands in a page's blocks of code, without their comments."""
    return [
        shlex.join(shlex.split(line, comments=True)[1:])
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("    prefloop ")
    ]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and what is left of them."""
    command: Any = typer.main.get_command(cli.app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def names(command: Any, words: tuple[str, ...] = ("prefloop",)) -> Iterator[str]:
    """All commands but former names, which are hidden."""
    children: dict[str, Any] = getattr(command, "commands", {})
    if not children:
        yield " ".join(words)
    for name, child in children.items():
        if not child.hidden:
            yield from names(child, (*words, name))


def take(line: str) -> None:
    """Parse a command line as `prefloop` does, and run nothing."""
    command, rest = command_of(shlex.split(line))
    asked = [] if "--password" in rest else ["--password", "a long one"]  # which would be asked for on the terminal
    prompts = any(parameter.name == "password" for parameter in command.params)
    command.make_context("prefloop", [*rest, *(asked if prompts else [])])


def test_the_reference_is_that_of_the_commands() -> None:
    made = subprocess.run([*GENERATE, "--title", "Command reference"], capture_output=True, text=True, check=True)
    renew = "docs/cli.md is not that of the commands: renew it by `make docs`"
    assert made.stdout.strip() == REFERENCE.read_text(encoding="utf-8").strip(), renew


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_blocks_of_code_are_taken(page: Path) -> None:
    for line in shown(page):
        if line != "--version":
            take(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist(page: Path) -> None:
    for line in re.findall(r"`prefloop ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
        command, rest = command_of(line.split())
        assert not hasattr(command, "commands") or not rest or not rest[0].islower(), line


def test_every_command_has_an_example() -> None:
    examples = EXAMPLES.read_text(encoding="utf-8")
    assert [name for name in names(typer.main.get_command(cli.app)) if name not in examples] == []


@pytest.mark.parametrize("line", FIRST_RELEASE.read_text(encoding="utf-8").splitlines())
def test_commands_of_the_first_release_are_taken(line: str) -> None:
    take(line)


def test_a_command_that_is_not_there_is_not_taken() -> None:
    with pytest.raises(Exception, match="No such option"):
        take("export --no-such-option")
