"""What LLaMA-Factory must be told of a file before it trains from it: an entry of its dataset_info.json.

Knows the columns of the formats that it reads, not how their rows are made.

https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
"""

from collections.abc import Mapping

_ASKED = {"prompt": "instruction", "query": "input", "system": "system", "history": "history"}
_ANSWERS = {"chosen": "chosen", "rejected": "rejected"}
_ROLES = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}
_ENTRIES: Mapping[str, Mapping[str, object]] = {
    "alpaca-ranking": {"ranking": True, "columns": {**_ASKED, **_ANSWERS}},
    "alpaca-kto": {"columns": {**_ASKED, "response": "output", "kto_tag": "kto_tag"}},
    "sharegpt-ranking": {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "conversations", **_ANSWERS},
    },
    "sharegpt-kto": {"formatting": "sharegpt", "columns": {"messages": "conversations", "kto_tag": "kto_tag"}},
    "rated-messages": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "kto_tag": "label"},
        "tags": _ROLES,
    },
}


FILE = "file_name"
"""The key of a file, relative to the directory of dataset_info.json."""

LOADED = (".json", ".jsonl", ".parquet", ".csv")
"""How the names of the files end that it loads, of those that are written here; it looks no further than the last dot.

https://github.com/hiyouga/LLaMA-Factory/blob/main/src/llamafactory/extras/constants.py, FILEEXT2TYPE
"""

HUB = "hf_hub_url"
"""The key of a dataset on the Hugging Face hub, as owner/name."""


def dataset_info(format_name: str, dataset: str, place: str, key: str = FILE) -> dict[str, object] | None:
    """The content of a dataset_info.json for a file of a format; None for formats that LLaMA-Factory does not read.

    dataset: the name under which it is to be trained. place: where it is, as the key has it.
    """
    entry = _ENTRIES.get(format_name)
    return None if entry is None else {dataset: {key: place, **entry}}
