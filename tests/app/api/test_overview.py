from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.annotation.eval_feeder import Flaw
from data.records import Choice, FinishReason, NewCompletion, RoundState, Ruling, Sampling
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


async def test_before_anything_was_sampled_there_are_no_tries_and_no_lengths(api: AdminApi) -> None:
    found = await api.get("/overview")
    assert found["tries"] == {"count": 0, "pairs": 0, "dropped": {}}
    assert found["lengths"] is None
    assert found["set_aside"] == {"count": 0, "by_reason": {}, "prompts": []}


async def test_what_came_of_sampling_is_counted_by_reason(api: AdminApi) -> None:
    tries, store = api.services.feeder.tries, api.store
    for flaw in (None, Flaw.IDENTICAL, None, Flaw.EMPTY, Flaw.IDENTICAL):
        tries.note(flaw)
    first, second = store.prompts.sample(None, 2, 0)
    api.services.feeder.aside.add(first, "longer than the model can read")
    api.services.eval_feeder.aside.add(second, "refused by the chat template")
    found = await api.get("/overview")
    assert found["tries"] == {"count": 5, "pairs": 2, "dropped": {"two identical answers": 2, "an empty answer": 1}}
    assert found["set_aside"]["by_reason"] == {"longer than the model can read": 1, "refused by the chat template": 1}
    begins = " ".join(first.messages[-1]["content"].split())[:80]
    assert found["set_aside"]["prompts"][0] == {
        "id": first.id,
        "words": begins,
        "reason": "longer than the model can read",
    }


async def test_the_lengths_are_of_the_answers_of_the_version_that_serves(api: AdminApi) -> None:
    store = api.store
    store.versions.add("v1", round_id=None, parent="base", sha256="0" * 64)
    for number, prompt in enumerate(store.prompts.sample(None, 5, 0), 1):
        for version, factor in (("base", 10), ("v1", 1)):
            a, b = (_answer(version, factor * (2 * number - side), cut=number == 1) for side in (1, 0))
            store.pairs.add(prompt.id, a, b)
    assert (await api.get("/overview"))["lengths"] == {"answers": 10, "cut_off": 0.2, "median": 55.0, "p90": 90}


def _answer(version: str, tokens: int, *, cut: bool) -> NewCompletion:
    reason = FinishReason.LENGTH if cut else FinishReason.STOP
    return NewCompletion(version, f"{tokens} words", (5,) * tokens, (-0.5,) * tokens, reason, Sampling(), 1)


async def test_what_was_judged_and_flagged_is_counted(api: AdminApi) -> None:
    people = plant(api.store, pairs=12, gold=0)
    agree(api.store, people, Choice.B)
    found = await api.get("/overview")
    today = found["days"][-1]
    assert (today["judgments"], today["people"]) == (12 * len(HABITS) + 3, len(HABITS))
    assert found["flags"] == 1


async def test_what_keeps_votes_from_coming_in_wants_a_look(api: AdminApi) -> None:
    assert (await api.get("/overview"))["match_trouble"] is None
    api.services.eval_feeder.last_error = "v2 is damaged"
    assert (await api.get("/overview"))["match_trouble"] == "v2 is damaged"


async def test_what_goes_on_in_the_background_is_listed_with_what_went_wrong(api: AdminApi) -> None:
    loops = (await api.get("/overview"))["background"]
    assert {loop["name"]: loop["last_error"] for loop in loops} == {
        "making pairs": None,
        "delivering webhooks": None,
        "deciding on votes": None,
        "starting rounds": None,
        "backing the home up": None,
    }
    api.services.webhooks.loop.last_error = "the disk is full"
    loops = (await api.get("/overview"))["background"]
    assert [loop["name"] for loop in loops if loop["last_error"] == "the disk is full"] == ["delivering webhooks"]


async def test_versions_that_want_a_decision_are_named(api: AdminApi) -> None:
    for name, ruling in (("v1", Ruling.WAIT), ("v2", Ruling.TRY), ("v3", Ruling.REFUSE)):
        add_version(api.store, api.services.adapter_store, name)
        api.store.decisions.add(name, ruling, reason="because")
    found = await api.get("/overview")
    assert (found["waiting"], found["on_trial"]) == (["v1"], ["v2"])


async def test_rounds_are_listed_oldest_first(api: AdminApi) -> None:
    plant(api.store, pairs=12, gold=0)
    for state in (RoundState.CANCELLED, RoundState.REFUSED):
        begun = api.store.rounds.create(config={}, started_by=None)
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


async def test_the_model_is_named_with_its_licence(api: AdminApi) -> None:
    api.store.versions.note_license("mit (LICENSE)")
    found = await api.get("/overview")
    assert (found["model"], found["model_license"]) == ("canned", "mit (LICENSE)")


async def test_how_the_model_is_decoded_is_said(api: AdminApi) -> None:
    assert (await api.get("/overview"))["decoding"] == "canned, without a model"
