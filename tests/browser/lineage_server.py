"""python -m tests.browser.lineage_server HOME: the planted pages, and a version that rests on what was planted."""

import asyncio
import sys
from pathlib import Path

from app.serving.adapter_store import AdapterStore
from data.records import RoundState, ServingAction
from data.store import PreferenceStore
from tests.app.canned_version import add_version
from tests.browser import canned_server, planted_server


def fill(home: Path) -> None:
    """round-000004 is of a round on all judgments, and serves."""
    planted_server.fill(home)
    with PreferenceStore.open(home / "prefloop.db") as store:
        entry = store.rounds.create(config={}, started_by=None, cause="every 50 judgments")
        store.rounds.set_state(entry.id, RoundState.PROMOTED)
        adapter_store = AdapterStore(home / "adapters")
        add_version(store, adapter_store, "round-000004", parent="round-000002", round_id=entry.id)
        store.versions.record_serving("round-000004", ServingAction.PROMOTE, actor_id=None, reason="better")


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
    asyncio.run(canned_server.main(Path(sys.argv[1]), mode=""))
