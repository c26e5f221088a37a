import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scipy import integrate, optimize, stats

from data.versions.sequential_test import Evidence
from tests.app.admin_api import AdminApi, admin_api
from tests.app.canned_version import add_version
from tests.app.versions.test_trial import vote

PRIOR = stats.beta(12, 12)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    """v1 serves after the base; v2 is there."""
    async with admin_api(tmp_path) as api:
        for name in ("v1", "v2"):
            add_version(api.store, api.services.adapter_store, name)
        await api.post("/adapters/v1/promote", {"reason": "first"}, status=200)
        yield api


async def test_a_trial_is_begun_and_its_votes_are_told(api: AdminApi) -> None:
    await api.post("/adapters/v2/try", {"reason": "looks good"}, status=204)
    vote(api.services, 6, 2)
    match = await api.get("/trial")
    found = Evidence(6, 2)
    assert (match["challenger"], match["champion"], match["trial"]) == ("v2", "v1", True)
    assert (match["wins"], match["losses"], match["undecided"], match["outcome"]) == (6, 2, 0, "open")
    assert (match["most_votes"], match["trouble"]) == (400, None)
    assert match["since"] == api.store.decisions.of("v2")[-1].created_at
    assert (match["better"], match["worse"]) == (found.better, found.worse)
    assert [point["votes"] for point in match["course"]] == list(range(1, 9))
    assert (match["course"][-1]["low"], match["course"][-1]["high"]) == found.interval()


async def test_without_a_trial_what_serves_is_measured(api: AdminApi) -> None:
    match = await api.get("/trial")
    assert (match["challenger"], match["champion"], match["trial"], match["win_rate"]) == ("v1", "base", False, None)
    assert match["most_votes"] is None


async def test_what_keeps_the_two_from_being_compared_is_told(api: AdminApi) -> None:
    api.services.eval_feeder.last_error = "v2 is damaged"
    await api.post("/adapters/v2/try", {"reason": "looks good"}, status=204)
    assert (await api.get("/trial"))["trouble"] == "v2 is damaged"


async def test_a_long_course_is_thinned_out_and_ends_with_the_last_vote(api: AdminApi) -> None:
    vote(api.services, 200, 250, of="v1", against="base")
    course = (await api.get("/trial"))["course"]
    assert len(course) <= 300
    assert course[-1]["votes"] == 450


def recomputed(votes: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The numbers of a decision that follow from rows of GET /trial/votes, by other ways than sequential_test.py.

    Ties and two bad answers do not count. The e-values by numerical integration of the likelihood over the prior cut
    off at one half, the interval by the beta-binomial's probability of the votes: within it the binomial's is at least
    a twentieth of that.
    """
    winners = [(vote["winner"], vote["challenger"]) for vote in votes]
    won = sum(winner == challenger for winner, challenger in winners)
    undecided = sum(winner is None for winner, _ in winners)
    lost = len(winners) - won - undecided
    low, high = interval(won, lost)
    return {
        "wins": won,
        "losses": lost,
        "undecided": undecided,
        "win_rate": won / (won + lost),
        "low": low,
        "high": high,
        "better": against_a_coin(won, lost, 0.5, 1.0),
        "worse": against_a_coin(won, lost, 0.0, 0.5),
    }


def against_a_coin(won: int, lost: int, low: float, high: float) -> float:
    """Mean likelihood of the votes over the prior between two rates, divided by that of a fair coin."""

    def integrand(rate: float) -> float:
        return float(PRIOR.pdf(rate) * (2 * rate) ** won * (2 * (1 - rate)) ** lost)

    mass = float(PRIOR.cdf(high) - PRIOR.cdf(low))
    return float(integrate.quad(integrand, low, high, limit=500)[0]) / mass


def interval(won: int, lost: int) -> tuple[float, float]:
    votes = won + lost
    least = float(stats.betabinom(votes, 12, 12).pmf(won)) / 20

    def excess(rate: float) -> float:
        return float(stats.binom(votes, rate).pmf(won)) - least

    low = optimize.brentq(excess, 0.0, won / votes, xtol=1e-13) if won else 0.0
    high = optimize.brentq(excess, won / votes, 1.0, xtol=1e-13) if lost else 1.0
    return float(low), float(high)


async def decided_by(api: AdminApi, wins: int, losses: int) -> dict[str, Any]:
    """What the page on versions shows of v2, which so many votes settled after others before the trial."""
    vote(api.services, 3, 4)
    await asyncio.sleep(0.002)  # the clock counts milliseconds
    await api.post("/adapters/v2/try", {"reason": "looks good"}, status=204)
    vote(api.services, wins, losses)
    await api.services.trial.decide()
    [v2] = [version for version in (await api.get("/adapters"))["versions"] if version["name"] == "v2"]
    decision: dict[str, Any] = v2["decisions"][-1]
    return decision


@pytest.mark.parametrize(("wins", "losses", "ruling"), [(14, 0, "promote"), (9, 32, "refuse")])
async def test_what_was_decided_follows_from_the_exported_votes(
    api: AdminApi, wins: int, losses: int, ruling: str
) -> None:
    decision = await decided_by(api, wins, losses)
    assert (decision["ruling"], decision["by"], decision["numbers"].pop("against")) == (ruling, None, "v1")
    since = decision["numbers"].pop("since")
    votes = await api.get(f"/trial/votes?challenger=v2&champion=v1&since={since}")
    assert decision["numbers"] == pytest.approx(recomputed(votes), rel=1e-6, abs=1e-9)


async def test_the_votes_of_a_match_are_told_apart_from_those_before_it(api: AdminApi) -> None:
    vote(api.services, 3, 4)
    await asyncio.sleep(0.002)  # the clock counts milliseconds
    await api.post("/adapters/v2/try", {"reason": "looks good"}, status=204)
    vote(api.services, 5, 2)
    match = await api.get("/trial")
    votes = await api.get(f"/trial/votes?challenger=v2&champion=v1&since={match['since']}")
    again = recomputed(votes)
    assert {name: match[name] for name in again} == pytest.approx(again, rel=1e-6, abs=1e-9)
    assert len(votes) == 7
    assert len(await api.get("/trial/votes?challenger=v2&champion=v1")) == 14


async def test_a_vote_says_who_gave_it_on_what(api: AdminApi) -> None:
    vote(api.services, 1, 0)
    [judged] = await api.get("/trial/votes?challenger=v2&champion=v1")
    judgment = api.store.judgments.by_id(judged["judgment"])
    assert judged == {
        "judgment": judgment.id,
        "pair": judgment.pair_id,
        "challenger": "v2",
        "champion": "v1",
        "winner": "v2",
        "annotator": api.store.people.by_id(judgment.annotator_id).pseudonym,
        "at": judgment.created_at,
    }


async def test_votes_of_a_version_that_is_not_there_are_not_found(api: AdminApi) -> None:
    answer = await api.browser.get("/api/v1/trial/votes", params={"challenger": "v9", "champion": "v1"})
    assert answer.status_code == 404
    assert "v9" in answer.json()["detail"]


async def test_the_ladder_has_all_that_were_voted_on(api: AdminApi) -> None:
    assert await api.get("/ladder") == [{"version": "base", "elo": 0, "low": 0, "high": 0, "votes": 0}]
    vote(api.services, 30, 10, of="v1", against="base")
    vote(api.services, 30, 10, of="v2", against="v1")
    assert [(rung["version"], rung["votes"]) for rung in await api.get("/ladder")] == [
        ("v2", 40),
        ("v1", 80),
        ("base", 40),
    ]


async def test_nothing_is_measured_before_a_second_version_serves(tmp_path: Path) -> None:
    async with admin_api(tmp_path) as api:
        assert await api.get("/trial") is None
