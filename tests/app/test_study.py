"""A study of three rounds on a real server, which starts each by itself: a good one serves, two harmful ones never do.

Polite people vote in every trial. The first round learns from them, the second from people who choose the reverse,
the third from people who take length for quality.
"""

import random
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy import integrate, stats

from app.home import Home
from app.remote import Remote
from app.simulate import server_on
from app.tastes import Taste, TasteName, ready_made

PEOPLE = 4
TASTES = (TasteName.POLITE, TasteName.INVERTED, TasteName.LONG)
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
"""Seconds over a vote: who asks faster than the model answers is given pairs to train on meanwhile."""


class Crowd:
    """Annotators of one taste, each with an account of his own."""

    def __init__(self, owner: Remote, taste: TasteName) -> None:
        self.owner = owner
        self.taste = ready_made(taste)
        self.judgments = 0
        self._people = [self._hire(f"{taste}-{number}") for number in range(PEOPLE)]

    def judge_until(self, done: Callable[[], bool], *, think: float = 0.0) -> None:
        """Take pair after pair until it is so, `think` seconds each; fails when that takes too long."""
        stop, errors = threading.Event(), []

        def work(person: Remote, source: random.Random) -> None:
            try:
                while not stop.is_set():
                    self._judge(person, self.taste, source)
                    time.sleep(think)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(p, random.Random(n))) for n, p in enumerate(self._people)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + MOST_SECONDS
        try:
            while not (done() or errors):
                assert time.monotonic() < until, "it takes too long"
                time.sleep(0.5)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not errors, errors

    def close(self) -> None:
        """Let the connections go."""
        for person in self._people:
            person.close()

    def _hire(self, login: str) -> Remote:
        password = secrets.token_urlsafe(16)
        self.owner.post("/users", login=login, password=password, role="annotator")
        person = Remote(self.owner.url)
        person.sign_in(login, password)
        return person

    def _judge(self, person: Remote, taste: Taste, source: random.Random) -> None:
        pair = person.post("/next")
        if pair["lease"] is None:
            time.sleep(0.05)
            return
        verdict = taste.judge(pair["a"], pair["b"], source)
        said = {"choice": verdict.choice, "strength": verdict.strength}
        person.post("/judgments", lease=pair["lease"], key=secrets.token_hex(16), **said)
        self.judgments += 1


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Remote]:
    """The admin's view of a server that nobody has judged on."""
    (tmp_path / "prefloop.toml").write_text(SETTINGS)
    with server_on(Home(tmp_path), lambda _: None) as owner:
        yield owner


def rounds(owner: Remote) -> list[dict[str, Any]]:
    """Oldest first."""
    return owner.get("/rounds")[::-1]


def say(words: str) -> None:
    """For who runs it with -s."""
    sys.stderr.write(f"\n{words}")


def version(owner: Remote, name: str) -> dict[str, Any]:
    return next(one for one in owner.get("/adapters")["versions"] if one["name"] == name)


def started(owner: Remote, number: int) -> Callable[[], bool]:
    return lambda: len(rounds(owner)) >= number


def ended(owner: Remote, number: int) -> dict[str, Any]:
    """The round, once it is over."""
    while (entry := rounds(owner)[number - 1])["ended_at"] is None:
        time.sleep(0.5)
    return entry


def decided(owner: Remote, number: int) -> Callable[[], bool]:
    """Whether the trial of a round's version is over."""
    name = f"round-{number:06d}"
    return lambda: version(owner, name)["standing"] not in ("on_trial", "unused")


def recomputed(votes: list[dict[str, Any]], challenger: str) -> dict[str, float]:
    """What the decision rests on, from the exported votes alone: by integration instead of in closed form."""
    won = sum(vote["winner"] == challenger for vote in votes)
    lost = sum(vote["winner"] not in (None, challenger) for vote in votes)
    prior = stats.beta(12, 12)

    def ratio(low: float, high: float) -> float:
        """Mean likelihood of the votes over the prior between two rates, by that of a fair coin."""

        def integrand(rate: float) -> float:
            return float(prior.pdf(rate) * (2 * rate) ** won * (2 * (1 - rate)) ** lost)

        mass = float(prior.cdf(high) - prior.cdf(low))
        return float(integrate.quad(integrand, low, high, limit=500)[0]) / mass

    return {
        "wins": won,
        "losses": lost,
        "win_rate": won / (won + lost),
        "better": ratio(0.5, 1.0),
        "worse": ratio(0.0, 0.5),
    }


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_good_round_serves_and_two_harmful_ones_never_do(owner: Remote) -> None:
    polite, inverted, long = (Crowd(owner, taste) for taste in TASTES)
    polite.judge_until(started(owner, 1))
    first = ended(owner, 1)
    assert (first["state"], first["cause"]) == ("waiting", f"every {JUDGMENTS} judgments"), first
    polite.judge_until(decided(owner, 1), think=THINK)
    good = version(owner, "round-000001")
    assert good["standing"] == "serves", good
    decision = good["decisions"][-1]
    assert (decision["ruling"], decision["by"]) == ("promote", None)
    votes = owner.get("/trial/votes", challenger="round-000001", champion="base")
    votes = [vote for vote in votes if vote["at"] <= decision["created_at"]]
    for name, number in recomputed(votes, "round-000001").items():
        assert decision["numbers"][name] == pytest.approx(number, rel=1e-6), name
    say(f"round 1: {decision['numbers']}")

    inverted.judge_until(started(owner, 2))
    second = ended(owner, 2)
    assert second["state"] in ("waiting", "refused"), second
    polite.judge_until(decided(owner, 2), think=THINK)
    reverse = version(owner, "round-000002")
    assert reverse["standing"] == "refused", reverse
    say(f"round 2 {second['state']}: {reverse['decisions'][-1]}")

    long.judge_until(started(owner, 3))
    third = ended(owner, 3)
    say(f"round 3 {third['state']}: {third['reason']}")
    assert third["state"] == "refused", third
    assert "longer than those of round-000001" in third["reason"]
    assert version(owner, "round-000003")["standing"] == "refused"
    assert owner.get("/adapters")["champion"] == "round-000001"
    assert all(decision["by"] is None for one in owner.get("/adapters")["versions"] for decision in one["decisions"])
    for crowd in (polite, inverted, long):
        crowd.close()
