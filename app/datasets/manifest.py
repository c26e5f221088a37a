"""The manifest beside an export, which describes its file."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.records import BaseModel, Guideline, NewExport


def manifest_path(out: Path) -> Path:
    """Return the path of a file's manifest."""
    return out.with_name(f"{out.name}.manifest.json")


def manifest_text(
    made: NewExport,
    guideline: Guideline | None,
    name: str,
    info: Mapping[str, object] | None,
    model: BaseModel | None = None,
) -> str:
    """Describe a file as JSON: what was requested, what it contains, and the annotation guidelines.

    model: the base model whose answers were sampled here, with its licence.
    info: the file's entry for LLaMA-Factory's dataset_info.json, if LLaMA-Factory can load it.
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
    """Return the manifest for a renamed file; info: as in manifest_text, for the new name."""
    told = json.loads(manifest) | {"file": name}
    told.pop("dataset_info", None)
    return _text(told, info)


def _text(told: Mapping[str, object], info: Mapping[str, object] | None) -> str:
    return json.dumps({**told, "dataset_info": info} if info else told, ensure_ascii=False, indent=2) + "\n"


def _told(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the request; in an anonymous export with the number of selected annotators instead of their names."""
    asked = request["query"]
    if not request["anonymous"] or "annotators" not in asked:
        return request
    return {**request, "query": {**asked, "annotators": len(asked["annotators"])}}
