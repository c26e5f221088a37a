"""What an admin's questions of a large store take: quality, the preview of a round, the preview of an export.

    python -m benchmarks.large_store [--judgments 300000 1000000] [--stores DIR] [--json FILE]

Makes a store of so many judgments by plain inserts, then asks each question through the REST API in a process of its
own: seconds, the longest that the event loop was held meanwhile, and the peak of memory above that before the question.
A loop that nobody holds is asked every 5 ms; the same is measured without a question, as "idle".
"""

import argparse
import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import psutil
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient
from rich.console import Console
from rich.table import Table

from app.annotation.quality_cache import QualityCache
from app.api.auth import admin, caller
from app.api.exports import build_exports_api
from app.api.quality import build_quality_api
from app.api.rounds import build_rounds_api
from app.background.jobs import Jobs
from app.datasets.export_files import ExportFiles
from app.rounds.runner import RoundRunner
from app.rounds.schedule import RoundSettings
from app.rounds.triggers import Triggers
from data.records import Annotator, Role
from data.store import PreferenceStore
from data.support.clock import now_ms

PEOPLE, PROMPTS, VERSIONS = 30, 2_000, 5
_WORDS = ("egg", "boils", "minutes", "pot", "water", "cooled", "tap", "until", "under", "six", "held", "then")
_CHECKED_EVERY = 0.005


@dataclass(frozen=True)
class Measured:
    """What a question took. cpu_s: of all threads; held_ms: the longest gap; memory_mb: the peak above the start."""

    question: str
    judgments: int
    seconds: float
    cpu_s: float
    held_ms: float
    memory_mb: float


def build(path: Path, judgments: int) -> None:
    """A store of so many judgments of 30 people: a tenth of the pairs are judged by two."""
    with PreferenceStore.open(path, clock=lambda: 0) as store:
        store.versions.ensure_base("built-in", "r1")
        for number in range(1, VERSIONS):
            store.versions.add(f"round-{number:06d}", round_id=None, parent="base", sha256=f"{number:064x}")
        for number in range(PEOPLE):
            store.people.add(f"person-{number}", Role.ANNOTATOR)
        messages = [[{"role": "user", "content": f"How long does egg {n} boil?"}] for n in range(PROMPTS)]
        store.prompts.add(messages, source="made up", license="mit")  # type: ignore[arg-type]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma journal_mode = off")
        db.execute("pragma synchronous = off")
        triggers = db.execute("select name, sql from sqlite_master where type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"drop trigger {name}")
        db.execute("begin")
        _insert(db, judgments)
        db.execute("commit")
        for _, sql in triggers:
            db.execute(sql)
        db.execute("pragma journal_mode = wal")


def _insert(db: sqlite3.Connection, judgments: int) -> None:
    source = random.Random(judgments)
    lengths: list[tuple[int, int]] = []
    db.executemany(
        "insert into completion values (?,?,?,?,?,?,'stop','{}',?,null,null,null,null,0,?,null,null,null)",
        _completions(source, judgments, lengths),
    )
    db.executemany(
        """
        insert into pair(id, prompt_id, completion_a_id, completion_b_id, version_id, purpose, strategy,
          target_judgments, judged, created_at, length_a, length_b, same_as)
        values (?,?,?,?,?,?,'sampled',?,?,0,?,?,?)
        """,
        _pairs(lengths),
    )
    db.execute("insert into gold select id, 'a', '', null, 0, null from pair where purpose = 'gold'")
    db.executemany(
        "insert into lease(id, pair_id, annotator_id, token, swapped, leased_at, expires_at, released_at)"
        " values (?,?,?,?,?,0,1,1)",
        ((row[0], row[1], row[2], str(row[0]), row[6]) for row in _judgments(random.Random(1), judgments, lengths)),
    )
    db.executemany(
        """
        insert into judgment(id, pair_id, annotator_id, lease_id, idempotency_key, choice, strength, swapped,
          elapsed_ms, supersedes_id, created_at, flag, sha256, content_version) values (?,?,?,?,?,?,?,?,?,?,?,?,?,2)
        """,
        ((*row[:3], row[0], *row[3:6], row[6], *row[7:]) for row in _judgments(random.Random(1), judgments, lengths)),
    )
    for number in range(1, VERSIONS):
        newest = judgments * number // VERSIONS
        db.execute(
            "insert into round(id, state, config, counts, created_at, ended_at, newest_judgment) values"
            " (?, 'promoted', '{}', '{}', ?, ?, ?)",
            [number, number, number, newest],
        )
        db.execute(
            "insert into round_judgment select ?, id, 'train' from judgment where id <= ? and choice in ('a', 'b')",
            [number, newest],
        )


def _completions(source: random.Random, judgments: int, lengths: list[tuple[int, int]]) -> Iterator[tuple[object, ...]]:
    ids, logprobs = json.dumps([257] * 40), json.dumps([-0.125] * 40)
    pairs = _pair_count(judgments)
    for pair in range(pairs):
        texts = [" ".join(source.choices(_WORDS, k=source.randint(10, 60))) for _ in range(2)]
        lengths.append((len(texts[0]), len(texts[1])))
        for side, text in enumerate(texts):
            number = 2 * pair + side + 1
            prompt, version = pair % PROMPTS + 1, pair * VERSIONS // pairs + 1
            yield number, prompt, version, text, ids, logprobs, number, f"{number:064x}"


def _pair_count(judgments: int) -> int:
    return judgments * 10 // 11


def _purpose(pair: int) -> str:
    return "gold" if pair < 50 else "eval" if pair % 20 == 7 else "train"


def _pairs(lengths: list[tuple[int, int]]) -> Iterator[tuple[object, ...]]:
    for pair, (a, b) in enumerate(lengths):
        target = 2 if pair % 10 == 0 else 1
        version = pair * VERSIONS // len(lengths) + 1
        same = pair + 1
        yield same, pair % PROMPTS + 1, 2 * same - 1, 2 * same, version, _purpose(pair), target, target, a, b, same


def _judgments(
    source: random.Random, judgments: int, lengths: list[tuple[int, int]]
) -> Iterator[tuple[int, int, int, str, str, int | None, int, int, int | None, int, str | None, str]]:
    """Rows of judgments, those of an overlap following each other."""
    number = 0
    for pair, (a, b) in enumerate(lengths):
        people = source.sample(range(1, PEOPLE + 1), 2 if pair % 10 == 0 else 1)
        for person in people:
            if number == judgments:
                return
            number += 1
            longer = "a" if a > b else "b"
            choice = source.choices((longer, "a", "b", "tie", "both_bad", "skip"), (4, 2, 2, 1, 0.5, 0.5))[0]
            strength = source.choice((2, 3)) if choice in "ab" else None
            elapsed = round((a + b) / 23 * 1000 * source.lognormvariate(0, 0.5))
            flag = "unsafe" if source.random() < 0.001 else None
            at = 1_700_000_000_000 + 1000 * number
            swapped = source.randint(0, 1)
            digest = f"{number:064x}"
            yield number, pair + 1, person, f"key {number}", choice, strength, swapped, elapsed, None, at, flag, digest


async def ask(path: Path, question: str, judgments: int) -> Measured:
    """Ask one question of a store, in a process that has asked nothing before."""
    with PreferenceStore.open(path) as store:
        ways: dict[str, Callable[[AsyncClient], Awaitable[object]]] = {
            "idle": lambda _: asyncio.sleep(2),
            "quality": lambda client: _got(client, "GET", "/quality"),
            "round preview": lambda client: _got(client, "GET", "/rounds/preview"),
            "export preview": lambda client: _got(client, "POST", "/exports/preview"),
        }
        async with AsyncClient(transport=ASGITransport(_app(store)), base_url="http://large") as client:
            await client.get("/exports/formats")
            watch = _Watch()
            watching = asyncio.create_task(watch.run())
            await asyncio.sleep(0.5)
            begun, cpu = time.perf_counter(), time.process_time()
            watch.begin()
            await ways[question](client)
            seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
            watching.cancel()
    return Measured(question, judgments, seconds, cpu_s, 1000 * watch.held, watch.memory / 1e6)


async def _got(client: AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path, json={} if method == "POST" else None, timeout=3600)
    answer.raise_for_status()


def _app(store: PreferenceStore) -> FastAPI:
    """The routes that are asked, without a model or a gate."""
    boss = Annotator(1, "boss", "quiet-heron", Role.ADMIN, 0)
    app = FastAPI()

    async def me(request: Request) -> Annotator:
        request.state.annotator = boss
        return boss

    app.dependency_overrides[caller] = app.dependency_overrides[admin] = me
    rounds = cast("RoundRunner", None)  # of which a preview asks nothing
    app.include_router(build_quality_api(store, QualityCache(store, now_ms)))
    app.include_router(build_rounds_api(store, rounds, Triggers(store, rounds, RoundSettings())))
    app.include_router(build_exports_api(store, ExportFiles(store, Jobs(), Path(tempfile.gettempdir()))))
    return app


class _Watch:
    """Looks, from within the event loop, how long it was held, and how much memory there is. Seconds and bytes."""

    def __init__(self) -> None:
        self.held = 0.0
        self.memory = 0
        self._process = psutil.Process()
        self._start = 0

    def begin(self) -> None:
        """Forget what was before."""
        self.held, self.memory, self._start = 0.0, 0, self._process.memory_info().rss

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_CHECKED_EVERY)
            self.held = max(self.held, time.perf_counter() - before - _CHECKED_EVERY)
            self.memory = max(self.memory, self._process.memory_info().rss - self._start)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgments", type=int, nargs="+", default=[300_000])
    parser.add_argument("--stores", type=Path, default=Path(tempfile.gettempdir()) / "large-stores")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--ask", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        path, question = arguments.ask
        sys.stdout.write(json.dumps(asdict(asyncio.run(ask(Path(path), question, arguments.judgments[0])))))
        return
    arguments.stores.mkdir(parents=True, exist_ok=True)
    found = [one for judgments in arguments.judgments for one in _asked(arguments.stores, judgments)]
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in found], indent=1))
    table = Table(title=f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for heading in ("judgments", "question", "seconds", "CPU s", "loop held, ms", "memory, MB"):
        table.add_column(heading, justify="right")
    for one in found:
        numbers = (f"{one.seconds:.2f}", f"{one.cpu_s:.2f}", f"{one.held_ms:.0f}", f"{one.memory_mb:+.0f}")
        table.add_row(f"{one.judgments:,}", one.question, *numbers)
    Console().print(table)


def _asked(stores: Path, judgments: int) -> Iterator[Measured]:
    """Each question of a store, which is made if it is not there yet."""
    path = stores / f"{judgments}.db"
    if not path.exists():
        begun = time.perf_counter()
        fresh = path.with_suffix(".part")
        fresh.unlink(missing_ok=True)
        build(fresh, judgments)
        fresh.rename(path)
        sys.stderr.write(f"{judgments:,} judgments made in {time.perf_counter() - begun:.0f} s\n")
    for question in ("idle", "quality", "round preview", "export preview"):
        command = [sys.executable, "-m", "benchmarks.large_store", "--judgments", str(judgments)]
        said = subprocess.run([*command, "--ask", str(path), question], check=True, capture_output=True, text=True)
        yield Measured(**json.loads(said.stdout))


if __name__ == "__main__":
    main()
