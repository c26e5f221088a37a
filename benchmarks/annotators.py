"""Annotators at one server: how long a click waits for the next pair, and what a judgment costs.

`python -m benchmarks.annotators [--people 100] [--seconds 120] [--think 5] [--feeding] [--json FILE]`

Starts `prefloop serve` with the built-in model on a home that holds pairs enough (a warm buffer: real answers of the
model, many times over), signs people in, asks small things of the server alone for a while, and then lets each look at
a pair for about `think` seconds and judge it, by the very call that the page makes. Client and server share the
machine. With --feeding the buffer asks for more pairs than there are, so that the model samples all the while. At the
end every judgment that was acknowledged must be in the store, once.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from app.client.client import running_server
from app.home import Home
from app.people.accounts import Accounts
from app.serving.engine import BASE, SamplingJob, complete
from app.serving.inprocess import InProcessEngine
from app.settings.open_store import open_store
from app.settings.settings import Settings
from app.startup import import_prompts
from data.records import NewCompletion, Role
from data.store import PreferenceStore
from trainer.interface.model_settings import BUILT_IN
from trainer.model.base import load_base

_SAMPLED = 40
_WARM_UP_SECONDS = 10
_SMALL_ANSWERS = 200


@dataclass
class Result:
    """What was measured. Latencies in ms; cpu_ms: of the server, per judgment.

    who, next: medians of small answers before anybody works, `GET /session` and `POST /next`.
    """

    people: int
    seconds: float
    feeding: bool
    judgments: int = 0
    errors: int = 0
    lost: int = 0
    median: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    cpu_ms: float = 0.0
    who: float = 0.0
    next: float = 0.0
    latencies: list[float] = field(default_factory=list)


class Person:
    """A browser at the board: holds a pair, judges it, is given the next."""

    def __init__(self, url: str, token: str, board: int) -> None:
        self._client = httpx.AsyncClient(base_url=url, cookies={"prefloop_session": token}, timeout=60, trust_env=False)
        self._board = board

    async def act(self, data: dict[str, object]) -> dict[str, object]:
        """One call of the board's script; the answer is the next view."""
        body = {"data": data, "component_id": self._board, "fn_name": "act", "session_hash": "s"}
        answer = await self._client.post("/annotate/gradio_api/component_server/", json=body)
        answer.raise_for_status()
        view: dict[str, object] = answer.json()
        return view

    async def close(self) -> None:
        """Let the connection go."""
        await self._client.aclose()


async def fill(home: Home, settings: Settings, pairs: int, people: int) -> list[str]:
    """Make a home with pairs enough (a few sampled, each kept many times) and people; the answer is their sessions."""
    base = load_base(BUILT_IN)
    engine = InProcessEngine(base)
    try:
        with open_store(home, settings) as store:
            store.versions.ensure_base(base.name, base.revision)
            import_prompts(store, None)
            prompts = store.prompts.sample(None, _SAMPLED, 0)
            drawn = await asyncio.gather(
                *(complete(engine, SamplingJob(prompt.messages, BASE, (1, 2), settings.sampling)) for prompt in prompts)
            )
            await asyncio.to_thread(_keep, store, [prompt.id for prompt in prompts], drawn, pairs)
            accounts = Accounts(store)
            hired = [accounts.add(f"person-{number}", Role.ANNOTATOR) for number in range(people)]
            return [accounts.redeem(accounts.make_link(person.id))[0] for person in hired]
    finally:
        engine.close()


def _keep(store: PreferenceStore, prompts: list[int], drawn: list[tuple[NewCompletion, ...]], pairs: int) -> None:
    for number in range(pairs):
        a, b = drawn[number % len(drawn)]
        store.pairs.add(prompts[number % len(prompts)], a, b)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def work(person: Person, think: float, until: float, result: Result, counting: asyncio.Event) -> set[str]:
    """Judge until a time; the answer is the tokens of what was acknowledged."""
    source, acknowledged = random.Random(), set()
    view = await person.act({"do": "next"})
    await asyncio.sleep(source.uniform(0, think))
    while time.monotonic() < until:
        await asyncio.sleep(source.uniform(0.8 * think, 1.2 * think))
        if view.get("state") != "pair":
            view = await person.act({"do": "next"})
            continue
        token = str(view["token"])
        act = {"do": "judge", "token": token, "pick": source.choice("12345"), "key": secrets.token_hex(16), "ms": 5000}
        began = time.monotonic()
        try:
            view = await person.act(act)
        except httpx.HTTPError:
            result.errors += 1
            continue
        if view.get("refused"):
            result.errors += 1
            continue
        acknowledged.add(token)
        if counting.is_set():
            result.latencies.append(1000 * (time.monotonic() - began))
    return acknowledged


async def answer_ms(client: httpx.AsyncClient, method: str, path: str) -> float:
    """How long a small answer takes over a connection that is open already: the median."""
    took = []
    for _ in range(_SMALL_ANSWERS):
        began = time.monotonic()
        (await client.request(method, path)).raise_for_status()
        took.append(1000 * (time.monotonic() - began))
    return statistics.median(took)


async def measure(url: str, pid: int, tokens: list[str], think: float, result: Result) -> set[str]:
    """Let everybody work; the answer is what was acknowledged."""
    async with httpx.AsyncClient(base_url=url, cookies={"prefloop_session": tokens[0]}, trust_env=False) as client:
        config = (await client.get("/annotate/config")).json()
        result.who = await answer_ms(client, "GET", "/api/v1/session")
        result.next = await answer_ms(client, "POST", "/api/v1/next")
    [board] = [part["id"] for part in config["components"] if part["props"].get("server_fns")]
    crowd = [Person(url, token, board) for token in tokens]
    counting = asyncio.Event()
    until = time.monotonic() + _WARM_UP_SECONDS + result.seconds
    jobs = [asyncio.create_task(work(person, think, until, result, counting)) for person in crowd]
    await asyncio.sleep(_WARM_UP_SECONDS)
    before, began = cpu_seconds(pid), time.monotonic()
    counting.set()
    acknowledged = set().union(*await asyncio.gather(*jobs))
    result.seconds = time.monotonic() - began
    result.judgments = len(result.latencies)
    result.cpu_ms = 1000 * (cpu_seconds(pid) - before) / max(result.judgments, 1)
    for person in crowd:
        await person.close()
    return acknowledged


def run(people: int, seconds: float, think: float, *, feeding: bool) -> Result:
    """One server, one crowd."""
    result = Result(people, seconds, feeding)
    wanted = int(1.5 * people * (seconds + _WARM_UP_SECONDS + think) / think) + people
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.create()
        queue = "[queue]\noverlap = 0.0\nevaluation = 0.0\n"
        buffer = 10 * wanted if feeding else 16
        (home.path / "prefloop.toml").write_text(f"buffer = {buffer}\n{queue}")
        tokens = asyncio.run(fill(home, Settings(), wanted, people))
        command = [sys.executable, "-m", "app.cli", "serve", "--home", folder, "--port", "0"]
        with (home.path / "server.log").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while (remote := running_server(home)) is None:
                time.sleep(0.3)
            acknowledged = asyncio.run(measure(remote.url, server.pid, tokens, think, result))
        finally:
            server.terminate()
            server.wait()
        with open_store(home, Settings()) as store:
            sql = "select l.token from current_judgment j join lease l on l.id = j.lease_id"
            kept = [row["token"] for row in store._database.rows(sql)]
            over = store._database.value("select count(*) from pair where judged > target_judgments")
        result.lost = len(acknowledged - set(kept)) + len(kept) - len(set(kept)) + over
    centiles = statistics.quantiles(result.latencies, n=100)
    result.median, result.p95, result.p99 = statistics.median(result.latencies), centiles[94], centiles[98]
    return result


def main() -> None:
    """Measure and print a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--think", type=float, default=5)
    parser.add_argument("--feeding", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = run(args.people, args.seconds, args.think, feeding=args.feeding)
    print(
        f"{result.people} people, {result.seconds:.0f} s{', the model sampling' if result.feeding else ''}: "
        f"{result.judgments} judgments ({result.judgments / result.seconds:.1f} a second), {result.errors} errors, "
        f"{result.lost} lost or twice; click to next pair {result.median:.0f} ms median, {result.p95:.0f} ms p95, "
        f"{result.p99:.0f} ms p99; {result.cpu_ms:.1f} ms of the server's processor time a judgment; "
        f"before: {result.who:.1f} ms for GET /session, {result.next:.1f} ms for POST /next"
    )
    if args.json:
        args.json.write_text(json.dumps(asdict(result), indent=1) + "\n")


if __name__ == "__main__":
    main()
