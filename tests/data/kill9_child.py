"""Judges without end in four threads and says so line by line, until it is killed.

`python -m tests.data.kill9_child DATABASE RUN MODE`; MODE "after" says so after the commit, as the store
promises, and "before" as a careless program would.
"""

import os
import sys
import threading
from pathlib import Path

from data.records import Choice, Role, Verdict
from data.store import PreferenceStore
from tests.data.scene import MINUTE, completion


def judge_without_end(store: PreferenceStore, name: str, early: bool) -> None:
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


def say(key: str) -> None:
    os.write(sys.stdout.fileno(), f"{key}\n".encode())


def main() -> None:
    path, run, mode = sys.argv[1:]
    store = PreferenceStore.open(Path(path))
    store.versions.ensure_base("tiny", "r1")
    store.prompts.add([[{"role": "user", "content": "hello"}]], source="test")
    threads = [
        threading.Thread(target=judge_without_end, args=(store, f"run{run}-{n}", mode == "before")) for n in range(4)
    ]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
