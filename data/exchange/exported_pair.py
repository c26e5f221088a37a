"""Build a judged pair for export, with the provenance of its answers and judgments."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from data.db.database import Row
from data.exchange.imported_pair import IMPORTED_KEY
from data.prompts.conversations import messages_in, spoken
from data.records.judged_pair import JudgedPair, Provenance, Sampled
from data.rounds.aggregation import AggregatedVotes


class FoundPair(NamedTuple):
    """A pair to export: its aggregated votes, and the judgments they come from."""

    pair_id: int
    outcome: AggregatedVotes
    said: Sequence[Row]


def exported_pair(found: FoundPair, row: Row, rounds: Mapping[int, Sequence[int]]) -> JudgedPair:
    """Return a pair to export as a judged pair. Raises InputError unless it has two different answers."""
    return JudgedPair(
        spoken(messages_in(row["messages"])),
        row["text_a"],
        row["text_b"],
        found.outcome.choice,
        found.outcome.strength,
        _provenance(found, row, rounds),
    )


def _provenance(found: FoundPair, row: Row, rounds: Mapping[int, Sequence[int]]) -> Provenance:
    said = found.said
    known = Provenance(
        pair=found.pair_id,
        annotators=sorted({one["pseudonym"] for one in said}),
        votes=len(said),
        agreement=found.outcome.agreement,
        created_at=_iso(max(one["created_at"] for one in said)),
        split=said[0]["split"],
        purpose=said[0]["purpose"],
        rounds=sorted({number for one in said for number in rounds.get(one["id"], ())}),
        source=row["source"],
        a=_sampled(row, "a"),
        b=_sampled(row, "b"),
    )
    if row["license"]:
        known["license"] = row["license"]
    if len(said) == 1:
        _add_judgment(known, said[0])
    return known


def _add_judgment(known: Provenance, said: Row) -> None:
    """Add what only a single judgment can say."""
    key = said["idempotency_key"] or ""
    known["judgment"] = key.removeprefix(IMPORTED_KEY) if key.startswith(IMPORTED_KEY) else said["sha256"]
    known["annotator"] = said["pseudonym"]
    known["shown_first"] = "b" if said["swapped"] else "a"
    if said["reasons"]:
        known["reasons"] = json.loads(said["reasons"])
    if said["elapsed_ms"] is not None:
        known["elapsed_ms"] = said["elapsed_ms"]
    if said["comment"]:
        known["comment"] = said["comment"]
    if said["flag"]:
        known["flag"] = said["flag"]
    if said["guideline"]:
        known["guideline"] = said["guideline"]
    if said["strategy"]:
        known["strategy"] = said["strategy"]
    if said["propensity"] is not None:
        known["propensity"] = said["propensity"]


def _sampled(row: Row, side: str) -> Sampled:
    made = Sampled()
    if row[f"version_{side}"]:
        made["version"] = row[f"version_{side}"]
    if row[f"ids_{side}"] is not None:
        made["finish_reason"] = row[f"finish_{side}"]
        made["sampling"] = json.loads(row[f"sampling_{side}"])
        made["seed"] = row[f"seed_{side}"]
        made["token_ids"] = json.loads(row[f"ids_{side}"])
        made["logprobs"] = json.loads(row[f"logprobs_{side}"])
    if row[f"reasoning_{side}"] is not None:
        made["reasoning"] = row[f"reasoning_{side}"]
    if row[f"reasoning_tokens_{side}"] is not None:
        made["reasoning_tokens"] = row[f"reasoning_tokens_{side}"]
    return made


def _iso(milliseconds: int) -> str:
    # an older prefloop may have imported a time beyond the year 9999, which datetime cannot hold
    said = min(milliseconds, 253_402_300_799_999)
    return (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=said)).isoformat(timespec="milliseconds")
