"""`prefloop simulate`: simulated annotators on a real server, over its API, for whole rounds.

It shows that the loop moves the model toward a hidden taste, and that it does not where there is none. Like any other
client it uses the REST API only.
"""

import random
import secrets
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.client.client import Client, running_server
from app.client.rounds import begun, ended, newest_round
from app.home import Home
from app.rounds.algorithms import Algorithm
from app.simulation.measure import MeasuredAnswer, answers_of, unseen_prompts, win
from app.simulation.tastes import Taste
from data.errors import ConflictError, PrefloopError, RoundError
from data.quality.share import SHOWN_CONFIDENCE, wilson
from data.records import Message

_START_SECONDS = 900  # long, since a GGUF file is unpacked first
_POLL_SECONDS = 0.2
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Study:
    """What to simulate; judgments are per round, over all annotators.

    algorithm: None: the server's. unseen: prompts to measure on; None: the server's held-out prompts.
    """

    taste: Taste
    annotators: int
    judgments: int
    rounds: int
    seed: int
    algorithm: Algorithm | None = None
    comparisons: int = 100
    unseen: Sequence[list[Message]] | None = None


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One line of the result. win_rate is against round 0's model, with its 95 % Wilson interval.

    comparisons: pairs of answers behind win_rate. failed: share of answers that are empty, cut off or repeat
    themselves. kl in nats per answer, kl_per_token in nats per token. outcome: the state the round ended in; seconds:
    its duration.
    """

    round: int
    judgments: int
    agreement: float | None
    heldout_accuracy: float | None
    win_rate: float
    win_low: float
    win_high: float
    mean_length: float
    kl: float
    comparisons: int
    failed: float
    kl_per_token: float
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The outcome of a round; the defaults are for round 0, which trains nothing."""

    state: str = "-"
    reason: str | None = None
    seconds: float = 0.0
    heldout_accuracy: float | None = 0.5
    kl: float = 0.0
    kl_per_token: float = 0.0


class _Tally:
    """Counts judgments, and how many agree with the taste; shared by the annotators' threads."""

    def __init__(self, wanted: int) -> None:
        self._lock = threading.Lock()
        self._left = wanted
        self.made = 0
        self.agreed: list[float] = []

    def take(self) -> bool:
        """Claim one of the remaining judgments; False if none remains."""
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def add(self, agreed: float | None) -> None:
        """Count a judgment, and whether the taste agrees with it, if it has an opinion."""
        with self._lock:
            self.made += 1
            if agreed is not None:
                self.agreed.append(agreed)


@contextmanager
def server_on(home: Home, say: Say, *, model: str | None = None, prompts: Path | None = None) -> Iterator[Client]:
    """Connect as the owner to the server that runs on a home, or to one started for the duration of the block.

    model, prompts: options to start it with. Raises ConflictError when they are given and a server runs already.
    """
    found = running_server(home)
    flags = [word for flag, value in (("--model", model), ("--prompts", prompts)) if value for word in (flag, value)]
    if found is not None and flags:
        found.close()
        raise ConflictError(
            f"a server runs on {home.path} already, with a model and prompts of its own; leave out "
            "--model and --prompts, or give another --home"
        )
    if found is not None:
        with found:
            yield found
        return
    home.create()
    command = [sys.executable, "-m", "app.cli", "serve", "--home", str(home.path), "--port", "0", *map(str, flags)]
    with (home.path / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        say(f"Starting a server on {home.path}")
        with _await_server(home, process) as remote:
            yield remote
    finally:
        process.terminate()
        process.wait()


def simulate(study: Study, owner: Client, say: Say) -> list[RoundRow]:
    """Run a study on a server; returns one row per round, beginning with round 0, the base against itself.

    Raises RoundError when a round fails.
    """
    people = _hire(study, owner)
    prompts = study.unseen or unseen_prompts(owner, study.comparisons, seed=study.seed)
    before = answers_of(owner, "base", prompts, seed=study.seed, say=say)
    rows = [_row(study, 0, _Tally(0), before, before, _Outcome())]
    try:
        for number in range(1, study.rounds + 1):
            tally = _judge(study, people)
            say(f"Round {number}: {tally.made} judgments, training")
            outcome = _train(study, owner)
            champion = owner.get("/adapters")["champion"]
            say(f"Round {number} {outcome.state}: {outcome.reason or 'it serves'}")
            after = answers_of(owner, champion, prompts, seed=study.seed + 1 + number, say=say)
            rows.append(_row(study, number, tally, before, after, outcome))
    finally:
        for remote, _ in people:
            remote.close()
    return rows


def _await_server(home: Home, process: "subprocess.Popen[bytes]") -> Client:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        remote = running_server(home)
        if remote is not None:
            return remote
        time.sleep(0.2)
    log = (home.path / "server.log").read_text().strip().splitlines()
    raise PrefloopError(f"the server did not start: {log[-1] if log else 'it said nothing'}")


def _hire(study: Study, owner: Client) -> list[tuple[Client, random.Random]]:
    """Create and sign in the annotators' accounts, each with its own random source."""
    people = []
    batch = secrets.token_hex(3)
    for number in range(study.annotators):
        login, password = f"sim-{batch}-{number + 1}", secrets.token_urlsafe(16)
        owner.post("/users", login=login, password=password, role="annotator")
        remote = Client(owner.url, certificate=owner.certificate)
        remote.sign_in(login, password)
        people.append((remote, random.Random(f"{study.seed}/{number}")))
    return people


def _judge(study: Study, people: Sequence[tuple[Client, random.Random]]) -> _Tally:
    """Let all annotators work until the round's judgments are made. Raises the first error of any of them."""
    tally = _Tally(study.judgments)
    errors: list[BaseException] = []

    def work(remote: Client, source: random.Random) -> None:
        try:
            while tally.take():
                tally.add(_judge_one(study.taste, remote, source))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=person) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return tally


def _judge_one(taste: Taste, remote: Client, source: random.Random) -> float | None:
    """Wait for a pair and judge it; returns whether the taste agrees, None where it has no opinion."""
    pair = remote.post("/next")
    while pair["lease"] is None:
        if pair["trouble"]:
            raise PrefloopError(pair["trouble"])
        time.sleep(_POLL_SECONDS)
        pair = remote.post("/next")
    verdict = taste.judge(pair["a"], pair["b"], source)
    remote.post(
        "/judgments",
        lease=pair["lease"],
        key=secrets.token_hex(16),
        choice=verdict.choice,
        strength=verdict.strength,
    )
    better = taste.better(pair["a"], pair["b"])
    if better == 0.5:
        return None
    return better if verdict.choice == "a" else 1 - better


def _train(study: Study, owner: Client) -> _Outcome:
    """Run one round to its end."""
    newest = newest_round(owner)
    began = time.monotonic()
    number = owner.post("/rounds", algorithm=study.algorithm)["id"]
    state = ended(owner, begun(owner, after=newest) if number is None else number)
    if state["state"] in ("failed", "cancelled"):  # rejected or waiting versions leave the champion as it was
        raise RoundError(f"round {number} {state['state']}: {state['reason']}")
    _go_on(owner, f"round-{state['id']:06d}")
    drift = state["report"]["drift"]
    return _Outcome(
        state=state["state"],
        reason=state["reason"],
        seconds=time.monotonic() - began,
        heldout_accuracy=state["report"]["heldout"]["accuracy"],
        kl=drift["kl_mean"],
        kl_per_token=drift["kl_mean"] / drift["mean_length"],
    )


def _go_on(owner: Client, version: str) -> None:
    """Promote a version that waits for an admin: the study measures what a round has learned, also where held-out pairs
    are too few to distinguish it from the champion. The outcome still says that it waited.
    """
    if version in owner.get("/overview")["waiting"]:
        owner.post(f"/adapters/{version}/promote", reason="a simulated study measures it")


def _row(
    study: Study,
    number: int,
    tally: _Tally,
    before: Sequence[MeasuredAnswer],
    after: Sequence[MeasuredAnswer],
    outcome: _Outcome,
) -> RoundRow:
    wins = sum(win(study.taste, new, old) for new, old in zip(after, before, strict=True))
    low, high = wilson(wins, len(after), SHOWN_CONFIDENCE)
    return RoundRow(
        round=number,
        judgments=tally.made,
        agreement=statistics.mean(tally.agreed) if tally.agreed else None,
        heldout_accuracy=outcome.heldout_accuracy,
        win_rate=wins / len(after),
        win_low=low,
        win_high=high,
        mean_length=statistics.mean(answer.tokens for answer in after),
        kl=outcome.kl,
        comparisons=len(after),
        failed=statistics.mean(answer.failed for answer in after),
        kl_per_token=outcome.kl_per_token,
        outcome=outcome.state,
        seconds=outcome.seconds,
    )
