"""Write dataset_info.json, which LLaMA-Factory needs to train from a file.

The entries name the columns of the formats that LLaMA-Factory reads.

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
"""The key for a file, relative to the directory of dataset_info.json."""

LOADED = (".json", ".jsonl", ".parquet", ".csv")
"""The suffixes that LLaMA-Factory loads, among those written here; it only looks at the part after the last dot.

https://github.com/hiyouga/LLaMA-Factory/blob/main/src/llamafactory/extras/constants.py, FILEEXT2TYPE
"""

HUB = "hf_hub_url"
"""The key for a dataset on the Hugging Face hub, as owner/name."""


def dataset_info(format_name: str, dataset: str, place: str, key: str = FILE) -> dict[str, object] | None:
    """Return the content of a dataset_info.json for a file of a format; None if LLaMA-Factory does not read the format.

    dataset: the name to train it under. place: where it is, in the form that the key requires.
    """
    entry = _ENTRIES.get(format_name)
    return None if entry is None else {dataset: {key: place, **entry}}
