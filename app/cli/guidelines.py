"""The commands `prefloop guidelines ...`: what everybody judges by. Knows no rules of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import HOME, AsJson, HomePath
from app.cli.output import answer, columns, moment
from app.cli.server import store_of
from data.errors import InputError, NotFoundError

Version = Annotated[str | None, typer.Option(help="An older one, as `prefloop guidelines list` names it.")]
LanguageOption = Annotated[str | None, typer.Option(help="The translation into this language, such as zh.")]
Translations = Annotated[list[str] | None, typer.Option(help="The same in another language, as zh=FILE.")]

guidelines = typer.Typer(no_args_is_help=True, help="Annotation guidelines.")


@guidelines.command("list")
def list_versions(home: HomePath = HOME, as_json: AsJson = False) -> None:
    """List the versions, newest first; the first is current."""
    with store_of(home) as client:
        found = client.get("/guidelines")
    answer(found, _lines, as_json=as_json)


@guidelines.command("show")
def show(
    version: Version = None, language: LanguageOption = None, home: HomePath = HOME, as_json: AsJson = False
) -> None:
    """Show the current text, or that of an older version, in Markdown."""
    with store_of(home) as client:
        versions = client.get("/guidelines")
    found = next((one for one in versions if version in {None, one["version"]}), None)
    if found is None:
        raise NotFoundError(f"there are no guidelines {version or ''}; `prefloop guidelines list` names all")
    answer(found, _text(found, language), as_json=as_json)


@guidelines.command("publish")
def publish(
    file: Annotated[Path, typer.Argument(help="The text, in Markdown.")],
    translation: Translations = None,
    home: HomePath = HOME,
    as_json: AsJson = False,
) -> None:
    """Publish a text; it replaces all translations too."""
    body, translations = _read(file), dict(map(_translation, translation or []))
    with store_of(home) as client:
        found = client.post("/guidelines", body=body, translations=translations)
    answer(found, f"In force: {found['version']}.", as_json=as_json)


def _lines(found: list[dict[str, Any]]) -> Iterator[str]:
    rows = [
        (one["version"], moment(one["created_at"]), one["judgments"], ", ".join(one["translations"]) or "–")
        for one in found
    ]
    yield from columns(rows, head=("version", "since", "judgments", "also in"))


def _text(found: dict[str, Any], language: str | None) -> str:
    if language is None:
        return str(found["body"])
    if language not in found["translations"]:
        known = ", ".join(found["translations"]) or "none"
        raise NotFoundError(f"guidelines {found['version']} have no translation into {language}; there are: {known}")
    return str(found["translations"][language])


def _translation(said: str) -> tuple[str, str]:
    language, _, file = said.partition("=")
    if not file:
        raise InputError(f"--translation {said}: say the language and the file, as zh=guidelines.zh.md")
    return language, _read(Path(file))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}; give a text file in UTF-8") from error
