from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data.records import Choice, RoundState, Ruling
from tests.app.admin_api import AdminApi, admin_api
from tests.app.canned_version import add_version
from tests.app.planted import HABITS, agree, contend, plant


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


async def test_a_new_home_has_nothing_to_look_at(api: AdminApi) -> None:
    found = await api.get("/overview")
    assert (found["champion"], found["rounds"], found["flags"]) == ("base", [], 0)
    assert (found["waiting"], found["on_trial"], found["trouble"]) == ([], [], None)
    assert len(found["days"]) == 30
    assert found["days"][-1] == {"day": datetime.now(UTC).date().isoformat(), "judgments": 0, "people": 0}


async def test_what_was_judged_and_flagged_is_counted(api: AdminApi) -> None:
    people = plant(api.store, pairs=12, gold=0)
    agree(api.store, people, Choice.B)
    found = await api.get("/overview")
    today = found["days"][-1]
    assert (today["judgments"], today["people"]) == (12 * len(HABITS) + 3, len(HABITS))
    assert found["flags"] == 1


async def test_what_keeps_votes_from_coming_in_wants_a_look(api: AdminApi) -> None:
    assert (await api.get("/overview"))["match_trouble"] is None
    api.services.matches.trouble = "v2 is damaged"
    assert (await api.get("/overview"))["match_trouble"] == "v2 is damaged"


async def test_versions_that_want_a_decision_are_named(api: AdminApi) -> None:
    for name, ruling in (("v1", Ruling.WAIT), ("v2", Ruling.TRY), ("v3", Ruling.REFUSE)):
        add_version(api.store, api.services.shelf, name)
        api.store.decisions.add(name, ruling, reason="because")
    found = await api.get("/overview")
    assert (found["waiting"], found["on_trial"]) == (["v1"], ["v2"])


async def test_rounds_are_listed_oldest_first(api: AdminApi) -> None:
    plant(api.store, pairs=12, gold=0)
    for state in (RoundState.CANCELLED, RoundState.REFUSED):
        begun, _ = api.store.rounds.create(config={}, started_by=None)
        api.store.rounds.set_state(begun.id, state, reason="because")
    rounds = (await api.get("/overview"))["rounds"]
    assert [(entry["id"], entry["state"], entry["accuracy"]) for entry in rounds] == [
        (1, "cancelled", None),
        (2, "refused", None),
    ]
    assert rounds[0]["pairs"] > 0


@pytest.mark.parametrize("minutes", [-841, 841, "x"])
async def test_an_impossible_time_zone_is_refused(api: AdminApi, minutes: object) -> None:
    answer = await api.browser.get(f"/api/v1/overview?offset_minutes={minutes}")
    assert answer.status_code == 422


async def test_versions_that_were_voted_on_stand_with_their_share_against_the_base(api: AdminApi) -> None:
    for name in ("round-000001", "round-000002"):
        api.store.versions.add(name, round_id=None, parent="base", sha256="0" * 64)
    contend(api.store, wins=30, losses=10, of="round-000002", against="base")
    [found] = (await api.get("/overview"))["strengths"]
    assert found["version"] == "round-000002"
    assert found["low"] < 0.7 < found["win_rate"] < 0.76 < found["high"]
