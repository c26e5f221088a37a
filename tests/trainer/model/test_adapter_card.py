"""What an adapter's card says of its base and its licence."""

from dataclasses import replace
from pathlib import Path

from huggingface_hub.repocard import metadata_load

from trainer.interface.adapter_files import directory_sha256
from trainer.loading.license import ModelLicense
from trainer.model.adapter import write_adapter
from trainer.model.adapter_card import adapter_card
from trainer.model.base import Base
from trainer.model.policy import Policy


def test_the_card_lies_with_the_adapter(base: Base, tmp_path: Path) -> None:
    licensed = replace(base, name="owner/egg", license=ModelLicense("apache-2.0", "README.md"))
    Policy.from_base(licensed, rank=2, alpha=4, seed=0).save(tmp_path / "v1")
    card = tmp_path / "v1" / "README.md"
    assert metadata_load(card) == {
        "base_model": "owner/egg",
        "library_name": "peft",
        "tags": ["lora", "prefloop"],
        "license": "apache-2.0",
    }
    assert "That of the base model: apache-2.0 (README.md)." in card.read_text()


def test_it_says_so_where_no_licence_was_found(base: Base) -> None:
    card = adapter_card(base)
    assert "None was found beside the base model" in card
    assert "base_model:" not in card  # a path of this machine


def test_it_is_no_part_of_what_makes_a_version(base: Base, tmp_path: Path) -> None:
    policy = Policy.from_base(base, rank=2, alpha=4, seed=0)
    policy.save(tmp_path / "v1")
    write_adapter(tmp_path / "v2", policy.adapter(), base.model, base_name=base.name)
    assert directory_sha256(tmp_path / "v1") == directory_sha256(tmp_path / "v2")
