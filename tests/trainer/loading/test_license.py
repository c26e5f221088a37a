"""The licence that lies beside a model."""

from pathlib import Path

import pytest

from trainer.interface.model_settings import BUILT_IN
from trainer.loading.cache import CARD, CacheSource
from trainer.loading.license import ModelLicense, license_of
from trainer.model.base import load_base


def test_that_of_a_model_card(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    assert license_of(tmp_path) == ModelLicense("apache-2.0", "README.md")


def test_one_that_the_hub_calls_other_has_its_name(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: my terms\n---\n")
    assert license_of(tmp_path) == ModelLicense("my terms", "README.md")


@pytest.mark.parametrize("card", ["", "# none\n", "---\ntags: [a]\n---\n", "---\n[broken\n---\n", "---\n- a\n---\n"])
def test_a_card_that_says_nothing(tmp_path: Path, card: str) -> None:
    (tmp_path / "README.md").write_text(card)
    assert license_of(tmp_path) is None


def test_that_of_the_file_it_was_unpacked_from(tmp_path: Path) -> None:
    source = CacheSource(file="a.gguf", sha256="0" * 64, license="gemma", package="a-model==1")
    (tmp_path / CARD).write_text(source.model_dump_json())
    assert license_of(tmp_path) == ModelLicense("gemma", "of a-model==1")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\n     Apache License\n   Version 2.0, January 2004\n", "apache-2.0"),
        ("MIT License\n\nCopyright (c) 2026\n", "mit"),
        ("\nACME COMMUNITY LICENSE AGREEMENT\nNot like the MIT License.\n", "ACME COMMUNITY LICENSE AGREEMENT"),
    ],
)
def test_a_file_with_the_text_is_known_by_how_it_begins(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "LICENSE").write_text(text)
    assert license_of(tmp_path) == ModelLicense(name, "LICENSE")


def test_nothing_is_guessed(tmp_path: Path) -> None:
    assert license_of(tmp_path) is None


def test_that_of_the_built_in_model() -> None:
    assert str(load_base(BUILT_IN).license) == "apache-2.0 (README.md)"


def test_a_name_that_is_no_id_stands_beside_other() -> None:
    assert ModelLicense("ACME Community, v2", "LICENSE").metadata == (
        "license: other",
        "license_name: acme-community-v2",
    )
    assert ModelLicense("mit", "LICENSE").metadata == ("license: mit",)
