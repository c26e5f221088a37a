"""Columns with a row's provenance, which an export can add to a format's own columns."""

from collections.abc import Mapping

import pyarrow as pa

from data.formats.row import FileRow, told
from data.records import Choice
from data.records.judged_pair import JudgedPair, Provenance

PROVENANCE = pa.schema(
    [
        ("pair_id", pa.int64()),
        ("choice", pa.string()),
        ("strength", pa.float64()),
        ("votes", pa.int64()),
        ("agreement", pa.float64()),
        ("annotators", pa.list_(pa.string())),
        ("chosen_version", pa.string()),
        ("rejected_version", pa.string()),
        ("rounds", pa.list_(pa.int64())),
        ("split", pa.string()),
        ("judged_at", pa.string()),
        ("source", pa.string()),
        ("license", pa.string()),
    ]
)


LONGEST_NAME = 200


def origin_of(row: FileRow) -> Provenance:
    """Return the source and license that a row states for its prompt, ignoring texts too long to be names."""
    said = Provenance()
    if 0 < len(source := told(row, "source").strip()) <= LONGEST_NAME:
        said["source"] = source
    if 0 < len(license_ := told(row, "license").strip()) <= LONGEST_NAME:
        said["license"] = license_
    return said


def provenance_cells(pair: JudgedPair) -> Mapping[str, object]:
    """Return the cells of a pair for these columns; null where not known."""
    said = pair.provenance
    a, b = said.get("a", {}).get("version"), said.get("b", {}).get("version")
    chosen, rejected = (b, a) if pair.choice is Choice.B else (a, b)
    return {
        "pair_id": said.get("pair"),
        "choice": pair.choice.value,
        "strength": pair.strength,
        "votes": said.get("votes"),
        "agreement": said.get("agreement"),
        "annotators": said.get("annotators"),
        "chosen_version": chosen,
        "rejected_version": rejected,
        "rounds": said.get("rounds"),
        "split": said.get("split"),
        "judged_at": said.get("created_at"),
        "source": said.get("source"),
        "license": said.get("license"),
    }
