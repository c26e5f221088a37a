"""What stands beside an export and says what it is. Knows nothing of how rows are made, nor of tables."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.records import BaseModel, Guideline, NewExport


def manifest_path(out: Path) -> Path:
    """Where the manifest of a file lies."""
    return out.with_name(f"{out.name}.manifest.json")


def manifest_text(
    made: NewExport,
    guideline: Guideline | None,
    name: str,
    info: Mapping[str, object] | None,
    model: BaseModel | None = None,
) -> str:
    """What a file is, as JSON: what was asked for, what is in it, by which guideline people judged.

    model: whose answers were sampled here, with its licence.
    info: the entry that LLaMA-Factory's dataset_info.json wants, if it can load the file.
    """
    told = {
        "file": name,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": made.software,
        "format": made.format,
        "container": made.container,
        "sha256": made.sha256,
        "request": _told(made.request),
        "counts": made.counts,
        "base_model": None if model is None else {"name": model.title, "license": model.license},
        "guideline": None if guideline is None else {"version": guideline.version, "text": guideline.body},
    }
    return _text(told, info)


def renamed(manifest: str, name: str, info: Mapping[str, object] | None) -> str:
    """A manifest of a file that has got another name; info: as manifest_text has it, under that name."""
    told = json.loads(manifest) | {"file": name}
    told.pop("dataset_info", None)
    return _text(told, info)


def _text(told: Mapping[str, object], info: Mapping[str, object] | None) -> str:
    return json.dumps({**told, "dataset_info": info} if info else told, ensure_ascii=False, indent=2) + "\n"


def _told(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was asked for; where nobody shall be named, of how many people, not of whom."""
    asked = request["query"]
    if not request["anonymous"] or "annotators" not in asked:
        return request
    return {**request, "query": {**asked, "annotators": len(asked["annotators"])}}
