"""Judges without end in four threads and says so line by line, until it is killed.

Mode "after" says so after the commit, as the store promises, and "before" as a careless program would.
"""

import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from data.records import Choice, Role, Verdict
from data.store import PreferenceStore
from tests.data.scene import MINUTE, completion


def judge_without_end(store: PreferenceStore, name: str, say: Callable[[str], None], *, early: bool) -> None:
    annotator, number = store.people.add(name, Role.ANNOTATOR), 0
    while True:
        pair = store.pairs.add(1, completion(), completion("no"))
        lease = store.pairs.lease_pair(pair.id, annotator.id, duration_ms=MINUTE)
        key, number = f"{name}-{number}", number + 1
        if early:
            say(key)
        store.judgments.record(annotator.id, lease.token, Verdict(Choice.A, 1), idempotency_key=key)
        if not early:
            say(key)


def judge(path: Path, run: int, mode: str, out: Connection) -> None:
    """What the child does; out: where it says what it has judged."""
    store = PreferenceStore.open(path)
    store.versions.ensure_base("tiny", "r1")
    store.prompts.add([[{"role": "user", "content": "hello"}]], source="test")

    def say(key: str) -> None:
        os.write(out.fileno(), f"{key}\n".encode())

    for number in range(4):
        name = f"run{run}-{number}"
        threading.Thread(target=judge_without_end, args=(store, name, say), kwargs={"early": mode == "before"}).start()
