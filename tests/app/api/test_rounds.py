"""What a round would use, as admins read it before they start one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.rounds.algorithms import Algorithm
from data.records import Choice, Split
from tests.app.admin_api import AdminApi, admin_api
from tests.app.planted import judge_new_pairs


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


async def test_a_new_home_has_nothing_to_train_on(api: AdminApi) -> None:
    preview = await api.get("/rounds/preview")
    assert (preview["train"], preview["heldout"], preview["both_bad"], preview["excluded"]) == (0, 0, 0, {})
    assert (preview["waiting"], preview["trouble"], preview["flip_rate"]) == (False, None, None)


async def test_the_algorithms_are_named_with_the_configured_one(api: AdminApi) -> None:
    preview = await api.get("/rounds/preview")
    assert preview["algorithm"] == "dpo"
    assert [known["name"] for known in preview["algorithms"]] == list(Algorithm)
    assert {"name": "simpo", "label": "SimPO"} in preview["algorithms"]


@pytest.mark.parametrize(
    ("split", "counted"), [(Split.TRAIN, (1, {})), (Split.HELDOUT, (0, {"both_bad": 1}))], ids=["train", "heldout"]
)
async def test_pairs_of_two_bad_answers_are_counted_apart(api: AdminApi, split: Split, counted: object) -> None:
    judge_new_pairs(api.store, [Choice.BOTH_BAD], split=split)
    preview = await api.get("/rounds/preview")
    assert (preview["both_bad"], preview["excluded"]) == counted


async def test_what_cannot_be_done_is_answered_in_words(api: AdminApi) -> None:
    assert "train" in (await api.post("/rounds", {"algorithm": "kto"}, status=409))["detail"]
    [problem] = (await api.post("/rounds", {"algorithm": "sgd"}, status=422))["detail"]
    assert problem["loc"] == ["body", "algorithm"]
    await api.post("/rounds/1/cancel", status=404)
    assert await api.acts() == []


async def test_the_algorithm_that_was_chosen_is_kept(api: AdminApi) -> None:
    judge_new_pairs(api.store, [Choice.A, Choice.B], split=Split.TRAIN)
    started = await api.post("/rounds", {"algorithm": "kto"})
    await api.services.rounds.wait()
    assert (await api.get(f"/rounds/{started['id']}/record"))["algorithm"] == "KTO"
    assert await api.acts() == [("start_round", {"algorithm": "kto"})]
