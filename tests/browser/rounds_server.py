"""python -m tests.browser.rounds_server HOME: the pages over a store of rounds, the last of which seems to train.

Nothing trains: whoever wants to see it go on writes into its directory.
"""

import asyncio
import sys
from pathlib import Path

from data.records import Role, RoundState
from data.store import PreferenceStore
from data.support.clock import now_ms
from tests.app.canned_rounds import add_round
from tests.app.pages_stage import PROMPTS
from tests.app.planted import plant
from tests.browser import canned_server
from tests.data.scene import HandClock
from trainer.interface.config import DPOConfig, KTOConfig

_HOUR_MS = 60 * 60 * 1000
_DAY_MS = 24 * _HOUR_MS


def fill(home: Path) -> None:
    """Rounds that ended in every way, some days apart."""
    clock = HandClock(now_ms() - 5 * _DAY_MS)
    with PreferenceStore.open(home / "prefloop.db", clock=clock) as store:
        store.versions.ensure_base("canned", "0")
        store.prompts.add(PROMPTS, source="test")
        plant(store, pairs=20, gold=2)
        boss = store.people.add("quiet-owl", Role.ADMIN).id
        dpo, faster = DPOConfig(), DPOConfig(learning_rate=2e-4, epochs=2)
        add_round(store, home, RoundState.PROMOTED, training=dpo, started_by=boss, steps=60, accuracy=0.63)
        store.versions.add("round-000001", round_id=1, parent="base", sha256="0" * 64)
        clock.now += _DAY_MS
        why = "loss is not finite at step 22"
        add_round(store, home, RoundState.FAILED, training=faster, started_by=boss, steps=21, reason=why)
        clock.now += _DAY_MS
        why = "its answers are 2.1 times as long as those of base, the limit is 1.5"
        add_round(store, home, RoundState.REFUSED, training=faster, steps=40, reason=why, accuracy=0.71)
        store.versions.add("round-000003", round_id=3, parent="base", sha256="1" * 64)
        clock.now += _DAY_MS
        kto = KTOConfig(algorithm="kto", learning_rate=1e-4)
        add_round(store, home, RoundState.CANCELLED, training=kto, started_by=boss, steps=30, reason="cancelled")
        clock.now = now_ms() - 70_000
        add_round(store, home, RoundState.TRAINING, training=dpo, started_by=boss, steps=24)


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
    asyncio.run(canned_server.main(Path(sys.argv[1]), mode=""))
