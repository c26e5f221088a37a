from collections.abc import Iterator

import pytest

from data.formats.dataset_info import dataset_info
from data.formats.registry import FORMATS, by_name

LLAMA_FACTORY = {"alpaca-ranking", "alpaca-kto", "sharegpt-ranking", "sharegpt-kto", "rated-messages"}


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, str):
        yield value


def test_the_entry_of_a_ranking_is_as_documented() -> None:
    assert dataset_info("sharegpt-ranking", "dataset_name", "data.json") == {
        "dataset_name": {
            "file_name": "data.json",
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        }
    }


@pytest.mark.parametrize("name", sorted(LLAMA_FACTORY))
def test_an_entry_names_every_column_that_is_written(name: str) -> None:
    info = dataset_info(name, "mine", "mine.jsonl")
    assert info is not None
    entry = info["mine"]
    assert isinstance(entry, dict)
    assert set(strings(entry["columns"])) == set(by_name(name).columns.names)


def test_others_do_not_read_it() -> None:
    others = [format_.name for format_ in FORMATS if dataset_info(format_.name, "mine", "mine.jsonl") is None]
    assert set(others) == {format_.name for format_ in FORMATS} - LLAMA_FACTORY
