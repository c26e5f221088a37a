"""What others notice of a crowd at the sign-in, of bodies of 100 MB, and of 200 clients that never think.

    python -m benchmarks.attack [--runs 3] [--seconds 60] [--json FILE]

Starts `prefloop serve` with the built-in model on a home with pairs enough. One signed-in client asks `GET /stats`
again and again, a hundredth of a second after each answer: for 10 s alone (idle), then for 20 s beside the attackers,
who are a process of a lower priority, since a real one would not share the server's cores.

- sign-ins: 200 strangers from 200 addresses at once, each with a wrong password for a login of their own; who gets 429
  comes again after `Retry-After`, who gets 401 with another login.
- bodies: 8 connections that send 100 MB of JSON each, with its length announced or not, as strangers to `/auth/login`
  and `/api/v1/session`, as an annotator to `/api/v1/judgments` and Gradio's `queue/join`; half a second after one is
  refused or cut comes the next.
- load: 200 clients that ask for a pair and judge it by the REST API, each request as soon as the last is answered.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

STRANGERS = 200
CLIENTS = 200
_BODY = 100_000_000
_CONNECTIONS = 8
_ATTACK_SECONDS = 20.0
_PAIRS = 5_000
_NICENESS = 5
_WRITERS = 64
_PROMPTS = 100

Attack = Callable[[str, list[str]], Coroutine[Any, Any, int]]


@dataclass
class Beside:
    """What the client notices of one attack, once a run: p95 in ms, its requests, and what the attackers sent."""

    idle: list[float] = field(default_factory=list)
    under: list[float] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    attacks: list[int] = field(default_factory=list)

    def line(self, name: str) -> str:
        """The same in words."""
        idle, under = statistics.median(self.idle), statistics.median(self.under)
        return (
            f"{name}: p95 {under:.1f} ms beside {min(self.attacks)} attacks or more a run, {idle:.1f} ms alone, "
            f"{under / idle:.2f} times (medians of {len(self.idle)} runs, {min(self.asked)} requests or more each)"
        )


def p95(latencies: list[float]) -> float:
    """The 95th centile."""
    return statistics.quantiles(latencies, n=20)[-1]


async def ask(url: str, token: str, go_on: Callable[[], bool]) -> list[float]:
    """How long each answer took, in ms."""
    took = []
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False, verify=False) as client:
        while go_on():
            began = time.monotonic()
            (await client.get("/api/v1/stats")).raise_for_status()
            took.append(1000 * (time.monotonic() - began))
            await asyncio.sleep(0.01)
    return took


async def strangers(url: str, _: list[str]) -> int:
    """All of them at the sign-in; how many answers they got."""
    until = time.monotonic() + _ATTACK_SECONDS

    async def one(number: int) -> int:
        source = {"x-forwarded-for": f"10.0.{number // 250}.{number % 250 + 1}"}
        tries = 0
        async with httpx.AsyncClient(
            base_url=url, headers=source, timeout=120, trust_env=False, verify=False
        ) as client:
            while time.monotonic() < until:
                credentials = {"login": secrets.token_hex(8), "password": "wrong horse battery"}
                answer = await client.post("/auth/login", json=credentials)
                assert answer.status_code in (401, 429), answer.text
                await asyncio.sleep(float(answer.headers.get("retry-after", 0)))
                tries += 1
        return tries

    return sum(await asyncio.gather(*(one(number) for number in range(STRANGERS))))


async def bodies(url: str, tokens: list[str]) -> int:
    """How many large bodies were refused."""
    until = time.monotonic() + _ATTACK_SECONDS
    own = {"authorization": f"Bearer {tokens[1]}"}
    targets: tuple[tuple[str, dict[str, str]], ...] = (
        ("/auth/login", {}),
        ("/api/v1/session", {}),
        ("/api/v1/judgments", own),
        ("/annotate/gradio_api/queue/join", own),
    )

    async def body() -> AsyncIterator[bytes]:
        piece = b'{"a": [1, 2, 3]}, ' * 3640
        yield b"["
        for _ in range(_BODY // len(piece)):
            yield piece

    async def one(number: int) -> int:
        path, headers = targets[number % len(targets)]
        announced = {"content-length": str(_BODY)} if number < _CONNECTIONS // 2 else {}
        refused = 0
        while time.monotonic() < until:
            async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, verify=False) as client:
                sent = {"content-type": "application/json", **headers, **announced}
                try:
                    answer = await client.post(path, content=body(), headers=sent)
                    assert answer.status_code == 413, answer.text
                except httpx.TransportError:
                    pass  # cut while it sent
            refused += 1
            await asyncio.sleep(0.5)
        return refused

    return sum(await asyncio.gather(*(one(number) for number in range(_CONNECTIONS))))


async def load(url: str, tokens: list[str], seconds: float) -> tuple[list[float], int, int]:
    """Latencies in ms, errors and judgments of clients that never think."""
    until, took, errors, judged = time.monotonic() + seconds, [], 0, 0

    async def one(token: str) -> None:
        nonlocal errors, judged
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=url, headers=headers, timeout=60, trust_env=False, verify=False
        ) as client:

            async def timed(path: str, body: object = None) -> dict[str, object]:
                nonlocal errors
                began = time.monotonic()
                try:
                    answer = await client.post(path, json=body)
                except httpx.HTTPError:
                    errors += 1
                    return {}
                took.append(1000 * (time.monotonic() - began))
                errors += answer.is_error
                return {} if answer.is_error else dict(answer.json())

            while time.monotonic() < until:
                pair = await timed("/api/v1/next")
                if pair.get("lease"):
                    body = {"lease": pair["lease"], "key": secrets.token_hex(8), "choice": "a", "elapsed_ms": 9000}
                    kept = await timed("/api/v1/judgments", body)
                    judged += "id" in kept

    await asyncio.gather(*(one(token) for token in tokens))
    return took, errors, judged


def fill(folder: Path) -> list[str]:
    """Make a home with pairs and people enough; the answer is their sessions."""
    from app.people.accounts import Accounts
    from app.startup import import_prompts
    from data.records import FinishReason, NewCompletion, Role, Sampling
    from data.store import PreferenceStore
    from trainer.interface.model_settings import BUILT_IN
    from trainer.model.base import load_base

    base = load_base(BUILT_IN)
    with PreferenceStore.open(folder / "prefloop.db") as store, ThreadPoolExecutor(_WRITERS) as writers:
        store.versions.ensure_base(base.name, base.revision)
        import_prompts(store, None)
        prompts = store.prompts.sample(None, _PROMPTS, 0)

        def keep(number: int) -> None:
            a, b = (
                NewCompletion("base", f"{side} {number}", (1, 2), (-0.5, -0.5), FinishReason.STOP, Sampling(), number)
                for side in "ab"
            )
            store.pairs.add(prompts[number % len(prompts)].id, a, b)

        def hire(number: int) -> str:
            person = accounts.add(f"person-{number}", Role.ANNOTATOR)
            return accounts.redeem(accounts.make_link(person.id))[0]

        accounts = Accounts(store)
        list(writers.map(keep, range(_PAIRS)))
        return list(writers.map(hire, range(CLIENTS)))


def _attack(attack: Attack, url: str, tokens: list[str], answers: "multiprocessing.Queue[int]") -> None:
    os.nice(_NICENESS)
    answers.put(asyncio.run(attack(url, tokens)))


def beside(attack: Attack, url: str, tokens: list[str], found: Beside) -> None:
    """One run: the client alone for ten seconds, then beside the attackers until they are done."""
    until = time.monotonic() + 10
    found.idle.append(p95(asyncio.run(ask(url, tokens[0], lambda: time.monotonic() < until))))
    processes = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[int] = processes.Queue()
    attackers = processes.Process(target=_attack, args=(attack, url, tokens, answers))
    attackers.start()
    took = asyncio.run(ask(url, tokens[0], attackers.is_alive))
    found.under.append(p95(took))
    found.asked.append(len(took))
    found.attacks.append(answers.get(timeout=60))
    attackers.join()
    print(f"alone {found.idle[-1]:.1f} ms, beside {found.under[-1]:.1f} ms", file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print three lines."""
    from app.client.client import running_server
    from app.home import Home

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    sign_ins, large = Beside(), Beside()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        (home.path / "prefloop.toml").write_text("[queue]\noverlap = 0.0\nevaluation = 0.0\nreask = 0.0\n")
        tokens = fill(home.path)
        command = [sys.executable, "-m", "app.cli", "serve", "--home", folder, "--port", "0"]
        with (home.path / "server.log").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while (remote := running_server(home)) is None:
                time.sleep(0.3)
            for _ in range(args.runs):
                beside(strangers, remote.url, tokens, sign_ins)
                beside(bodies, remote.url, tokens, large)
            took, errors, judged = asyncio.run(load(remote.url, tokens, args.seconds))
        finally:
            server.terminate()
            server.wait()
    print(sign_ins.line(f"{STRANGERS} sign-ins at once"))
    print(large.line(f"bodies of {_BODY // 1_000_000} MB"))
    print(
        f"{CLIENTS} clients without thinking time, {args.seconds:.0f} s: {len(took)} requests, {judged} judgments, "
        f"{errors} errors; {statistics.median(took):.0f} ms median, {p95(took):.0f} ms p95, {max(took):.0f} ms at most"
    )
    if args.json:
        found = {"sign_ins": asdict(sign_ins), "bodies": asdict(large), "p95": p95(took), "errors": errors}
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
