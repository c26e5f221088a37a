"""python -m tests.browser.planted_server HOME: the pages over a store that annotators with known habits have filled."""

import asyncio
import sys
from pathlib import Path

from app.serving.adapter_store import AdapterStore
from data.records import Choice, RoundState, Ruling, ServingAction
from data.store import PreferenceStore
from data.support.clock import now_ms
from tests.app.canned_version import add_version
from tests.app.pages_stage import PROMPTS
from tests.app.planted import agree, contend, plant
from tests.browser import canned_server
from tests.data.scene import HandClock

_DAYS = 20
_DAY_MS = 24 * 60 * 60 * 1000


def fill(home: Path) -> None:
    """Some weeks of judgments that end now, a round that used them, and versions."""
    judgments = 60 * 5 + 12 * 5
    clock = HandClock(now_ms() - _DAYS * _DAY_MS)

    def tick() -> None:
        clock.now += _DAYS * _DAY_MS // (judgments + 10)

    with PreferenceStore.open(home / "prefloop.db", clock=clock) as store:
        store.versions.ensure_base("canned", "0")
        store.prompts.add(PROMPTS, source="test")
        people = plant(store, again=12, tick=tick)
        begun = store.rounds.create(config={}, started_by=None)
        store.rounds.set_state(begun.id, RoundState.CANCELLED)
        agree(store, people, Choice.B)
        adapter_store = AdapterStore(home / "adapters")
        for name, parent in (("round-000001", "base"), ("round-000002", "round-000001"), ("round-000003", "base")):
            add_version(store, adapter_store, name, parent=parent)
        clock.now -= 9 * _DAY_MS
        for name in ("base", "round-000001", "round-000002"):
            clock.now += 2 * _DAY_MS
            store.versions.record_serving(name, ServingAction.PROMOTE, actor_id=None, reason="better on held-out pairs")
        clock.now = now_ms() - _DAY_MS
        contend(store, wins=20, losses=14, of="round-000001", against="base")
        contend(store, wins=24, losses=12, of="round-000002", against="round-000001")
        store.decisions.add("round-000003", Ruling.REFUSE, reason="Its answers are twice as long.")


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
    asyncio.run(canned_server.main(Path(sys.argv[1]), mode=""))
