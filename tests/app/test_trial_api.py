from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.evidence import Evidence
from tests.app.admin_api import AdminApi, admin_api
from tests.app.canned_version import add_version
from tests.app.test_trial import vote


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    """v1 serves after the base; v2 is there."""
    async with admin_api(tmp_path) as api:
        for name in ("v1", "v2"):
            add_version(api.store, api.services.shelf, name)
        await api.post("/adapters/v1/promote", {"reason": "first"}, status=200)
        yield api


async def test_a_trial_is_begun_and_its_votes_are_told(api: AdminApi) -> None:
    await api.post("/adapters/v2/try", {"reason": "looks good"}, status=204)
    vote(api.services, 6, 2)
    match = await api.get("/trial")
    found = Evidence(6, 2)
    assert (match["challenger"], match["champion"], match["trial"]) == ("v2", "v1", True)
    assert (match["wins"], match["losses"], match["undecided"], match["outcome"]) == (6, 2, 0, "open")
    assert (match["better"], match["worse"]) == (found.better, found.worse)
    assert [point["votes"] for point in match["course"]] == list(range(1, 9))
    assert (match["course"][-1]["low"], match["course"][-1]["high"]) == found.interval()


async def test_without_a_trial_what_serves_is_measured(api: AdminApi) -> None:
    match = await api.get("/trial")
    assert (match["challenger"], match["champion"], match["trial"], match["win_rate"]) == ("v1", "base", False, None)


async def test_a_long_course_is_thinned_out_and_ends_with_the_last_vote(api: AdminApi) -> None:
    vote(api.services, 200, 250, of="v1", against="base")
    course = (await api.get("/trial"))["course"]
    assert len(course) <= 300
    assert course[-1]["votes"] == 450


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
