"""Find the licence of a model in the files beside it; it is never guessed.

Shown at start, on the Overview, in the adapter's card and with every export. Called by load_base.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.repocard import metadata_load
from yaml import YAMLError

from trainer.loading.cache import source_of

_CARD = "README.md"
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING", "LICENCE")
_LONGEST = 80
_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_NOT_IN_A_NAME = re.compile(r"[^\w.+-]+")
# beginning of a licence's text -> SPDX id
_TEXTS = (
    (re.compile(r"\s*Apache License\s+Version 2\.0", re.IGNORECASE), "apache-2.0"),
    (re.compile(r"\s*(The )?MIT License", re.IGNORECASE), "mit"),
    (re.compile(r"\s*BSD 3-Clause License", re.IGNORECASE), "bsd-3-clause"),
    (re.compile(r"\s*GNU GENERAL PUBLIC LICENSE\s+Version 3"), "gpl-3.0"),
)


@dataclass(frozen=True, slots=True)
class ModelLicense:
    """A licence's name, and where it was found."""

    name: str
    where: str

    def __str__(self) -> str:
        return f"{self.name} ({self.where})"

    @property
    def metadata(self) -> tuple[str, ...]:
        """Lines of a model card's front matter; a name that is not an id is given with `other`, as the hub requires."""
        if _ID.fullmatch(self.name):
            return (f"license: {self.name}",)
        slug = _NOT_IN_A_NAME.sub("-", self.name.lower()).strip("-")
        return ("license: other", f"license_name: {slug}")


def license_of(directory: Path) -> ModelLicense | None:
    """Find a licence in a model's directory: in its card, in the source it was unpacked from, or in its own file."""
    return _from_card(directory / _CARD) or _from_source(directory) or _from_file(directory)


def _from_card(card: Path) -> ModelLicense | None:
    try:
        said = metadata_load(card) or {}
    except (OSError, ValueError, YAMLError):  # no card, or invalid front matter
        return None
    found = said.get("license")
    if found == "other":
        found = said.get("license_name") or found
    return ModelLicense(_one_line(str(found)), card.name) if isinstance(found, str) and found.strip() else None


def _from_source(directory: Path) -> ModelLicense | None:
    source = source_of(directory)
    if source is None or not source.license:
        return None
    return ModelLicense(_one_line(source.license), f"of {source.package or source.file}")


def _from_file(directory: Path) -> ModelLicense | None:
    for name in _FILES:
        try:
            text = (directory / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        known = next((id_ for pattern, id_ in _TEXTS if pattern.match(text)), None)
        title = known or _one_line(next((line for line in text.splitlines() if line.strip()), ""))
        if title:
            return ModelLicense(title, name)
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
