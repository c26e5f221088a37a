"""A study of three rounds on a real server, which starts each by itself: a good one serves, two harmful ones never do.

The first round learns from polite people, the second from people who choose the reverse, the third from people who
take length for quality. Polite people vote in every trial.
"""

import json
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.client.client import Client
from app.home import Home
from app.simulation.study import server_on
from app.simulation.tastes import TasteName, ready_made
from app.versions.limits import Limits
from tests.app.api.test_trial import recomputed
from tests.app.gate_again import heldout_again, refusals_again, told_of_heldout

PEOPLE = 4
JUDGMENTS = 120
SETTINGS = f"""
promotion = "trial"
[rounds]
every_judgments = {JUDGMENTS}
since_last = true
[queue]
gold = 0.0
reask = 0.0
evaluation = 0.0
trial = 1.0
"""
MOST_SECONDS = 900
THINK = 4.0
RECOMPUTED = {"accuracy", "margin", "longer", "shorter"}
"""Seconds over a vote: who asks faster than the model answers is given pairs to train on meanwhile."""


class Crowd:
    """Annotators of one taste, each with an account of his own."""

    def __init__(self, owner: Client, taste: TasteName) -> None:
        self._owner = owner
        self._taste = ready_made(taste)
        self._people = [self._hire(f"{taste}-{number}") for number in range(PEOPLE)]
        self.pseudonyms = {person.get("/account")["pseudonym"] for person in self._people}

    def judge_until(self, done: Callable[[], bool], *, think: float = 0.0) -> None:
        """Take pair after pair until it is so, `think` seconds each; fails when that takes too long."""
        stop, errors = threading.Event(), []

        def work(person: Client, source: random.Random) -> None:
            try:
                while not stop.wait(think if self._judge(person, source) else 0.05):
                    pass
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(p, random.Random(n))) for n, p in enumerate(self._people)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: bool(errors) or done())
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not errors, errors

    def close(self) -> None:
        """Let the connections go."""
        for person in self._people:
            person.close()

    def _hire(self, login: str) -> Client:
        password = secrets.token_urlsafe(16)
        self._owner.post("/users", login=login, password=password, role="annotator")
        person = Client(self._owner.url)
        person.sign_in(login, password)
        return person

    def _judge(self, person: Client, source: random.Random) -> bool:
        """Judge the next pair; whether there was one."""
        pair = person.post("/next")
        if pair["lease"] is None:
            return False
        verdict = self._taste.judge(pair["a"], pair["b"], source)
        said = {"choice": verdict.choice, "strength": verdict.strength}
        person.post("/judgments", lease=pair["lease"], key=secrets.token_hex(16), **said)
        return True


@dataclass(frozen=True)
class Study:
    """The owner's view of a server, who votes on what it puts on trial, and where its rounds are."""

    owner: Client
    voters: Crowd
    rounds: Path

    def learn_from(self, crowd: Crowd) -> dict[str, Any]:
        """Let people judge until the next round starts by itself; the round, once it is over."""
        number = len(self.owner.get("/rounds")) + 1
        began = time.monotonic()
        crowd.judge_until(lambda: len(self.owner.get("/rounds")) == number)
        judged = time.monotonic()
        wait_until(lambda: self.owner.get("/rounds")[0]["ended_at"] is not None)
        entry: dict[str, Any] = self.owner.get("/rounds")[0]
        assert (entry["id"], entry["cause"]) == (number, f"every {JUDGMENTS} judgments"), entry
        theirs = self._share(f"round-{number:06d}", crowd)
        say(
            f"round {number}: {judged - began:.0f} s of judging, {theirs:.0%} by its crowd, {since(judged)} of training"
        )
        assert theirs > 0.5
        return entry

    def decide(self, name: str) -> dict[str, Any]:
        """Let the voters vote on a version, if it is on trial, until that is decided; the version."""
        began = time.monotonic()
        if self.version(name)["standing"] == "on_trial":
            self.voters.judge_until(lambda: self.version(name)["standing"] != "on_trial", think=THINK)
        found = self.version(name)
        decision = found["decisions"][-1]
        say(f"{name} {decision['ruling']} after {since(began)}: {decision['reason']}; {decision['numbers']}")
        return found

    def version(self, name: str) -> dict[str, Any]:
        """As the page on versions shows it."""
        return next(one for one in self.owner.get("/adapters")["versions"] if one["name"] == name)

    def recomputed(self, decided: dict[str, Any]) -> dict[str, float]:
        """The numbers of a decision by votes, from the export: the first so many that the decision rests on.

        People may have voted on between the look and the decision, which takes the time of a swap.
        """
        decision = decided["decisions"][-1]
        numbers = decision["numbers"]
        match = {"challenger": decided["name"], "champion": numbers["against"], "since": numbers["since"]}
        votes = self.owner.get("/trial/votes", **match)
        counted = votes[: numbers["wins"] + numbers["losses"] + numbers["undecided"]]
        assert counted[-1]["at"] <= decision["created_at"]
        assert {vote["annotator"] for vote in counted} <= self.voters.pseudonyms
        return recomputed(counted)

    def check_gate(self, number: int) -> None:
        """Recompute what the gate was told of a round, and by what it refused it, from the round's directory."""
        directory = self.rounds / f"{number:06d}"
        told = json.loads((directory / "manifest.json").read_text())["evaluation"]
        again = heldout_again(directory)
        for comparison in (told["against_base"], told["against_champion"]):
            assert told_of_heldout(comparison) == pytest.approx(again[comparison["rival"]], rel=1e-3, abs=1e-3)
        ruled = self.version(f"round-{number:06d}")["decisions"][0]
        refused = ruled["numbers"] if ruled["ruling"] == "refuse" else {}
        shown = {key: value for key, value in refused.items() if key.split()[0] in RECOMPUTED}
        assert shown == pytest.approx(refusals_again(directory, Limits()), rel=1e-3, abs=1e-3)

    def _share(self, name: str, crowd: Crowd) -> float:
        """The share of a round's judgments that a crowd gave."""
        origin = next(one for one in self.owner.get(f"/lineage/versions/{name}") if one["version"] == name)
        theirs = sum(one["judgments"] for one in origin["people"] if one["pseudonym"] in crowd.pseudonyms)
        return float(theirs / origin["judgments"])


def wait_until(done: Callable[[], bool]) -> None:
    """Look twice a second; fails when it takes too long."""
    until = time.monotonic() + MOST_SECONDS
    while not done():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.5)


def since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


def say(words: str) -> None:
    """For who runs it with -s."""
    sys.stderr.write(f"\n{words}")


def numbers(decided: dict[str, Any]) -> dict[str, float]:
    """Those of the newest decision that can be computed from votes."""
    told = decided["decisions"][-1]["numbers"]
    return {name: value for name, value in told.items() if name not in ("against", "since")}


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Client]:
    """The admin's view of a server that nobody has judged on."""
    (tmp_path / "prefloop.toml").write_text(SETTINGS)
    with server_on(Home(tmp_path), lambda _: None) as owner:
        yield owner


@pytest.fixture
def crowds(owner: Client) -> Iterator[tuple[Crowd, Crowd, Crowd]]:
    """Polite people, people who choose the reverse, and people who take length for quality."""
    crowds = (Crowd(owner, TasteName.POLITE), Crowd(owner, TasteName.INVERTED), Crowd(owner, TasteName.LONG))
    yield crowds
    for crowd in crowds:
        crowd.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_good_round_serves_and_two_harmful_ones_never_do(
    owner: Client, crowds: tuple[Crowd, Crowd, Crowd], tmp_path: Path
) -> None:
    polite, inverted, long = crowds
    study = Study(owner, voters=polite, rounds=Home(tmp_path).rounds)

    study.learn_from(polite)
    study.check_gate(1)
    good = study.decide("round-000001")
    assert (good["standing"], good["decisions"][-1]["ruling"]) == ("serves", "promote"), good
    assert numbers(good) == pytest.approx(study.recomputed(good), rel=1e-6)

    # The gate sees reversed choices only by the held-out pairs that polite people judged before. What it lets through,
    # people refuse on trial.
    for crowd, name in ((inverted, "round-000002"), (long, "round-000003")):
        entry = study.learn_from(crowd)
        study.check_gate(entry["id"])
        harmful = study.decide(name)
        assert harmful["standing"] == "refused", harmful
        if entry["state"] == "waiting":
            assert numbers(harmful) == pytest.approx(study.recomputed(harmful), rel=1e-6)
        assert owner.get("/adapters")["champion"] == "round-000001"

    assert [time["reason"] for time in good["servings"]] == [good["decisions"][-1]["reason"]]
    assert all(decision["by"] is None for one in owner.get("/adapters")["versions"] for decision in one["decisions"])
