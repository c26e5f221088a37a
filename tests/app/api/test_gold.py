from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.annotation.gold import FEWEST_VOTES
from data.records import Choice
from tests.app.admin_api import AdminApi, admin_api
from tests.app.planted import GOLD, HABITS, agree, plant

WRITTEN = {"prompt": "2 + 2?", "good": "4", "bad": "5", "explanation": "count"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


async def test_a_pair_can_be_written(api: AdminApi) -> None:
    made = await api.post("/gold/written", WRITTEN)
    assert (made["a"], made["b"], made["choice"], made["explanation"]) == ("4", "5", "a", "count")
    assert made["messages"] == [{"role": "user", "content": "2 + 2?"}]
    assert (made["made_of"], made["judged"], made["retired"]) == (None, 0, False)
    assert await api.get("/gold") == [made]
    assert await api.acts() == [("write_gold", WRITTEN)]


async def test_what_all_say_alike_is_offered_once(api: AdminApi) -> None:
    people = plant(api.store, gold=0)
    agreed = {agree(api.store, people, choice).id for choice in (Choice.A, Choice.B)}
    candidates = await api.get("/gold/candidates")
    assert agreed <= {one["pair_id"] for one in candidates}
    assert all(FEWEST_VOTES <= one["votes"] <= len(HABITS) for one in candidates)
    first = candidates[0]
    made = await api.post("/gold", {"pair_id": first["pair_id"], "choice": first["choice"]})
    assert (made["made_of"], made["choice"], made["a"]) == (first["pair_id"], first["choice"], first["a"])
    assert await api.get("/gold/candidates") == candidates[1:]
    await api.post("/gold", {"pair_id": first["pair_id"], "choice": "a"}, status=409)


async def test_the_list_says_how_people_did(api: AdminApi) -> None:
    plant(api.store)
    known = await api.get("/gold")
    assert [one["judged"] for one in known] == [len(HABITS)] * GOLD
    right = sum(ballot.choice is ballot.gold for ballot in api.store.quality_votes.all() if ballot.gold)
    assert sum(one["right"] for one in known) == right > 0


async def test_a_retired_pair_stays_in_the_list(api: AdminApi) -> None:
    made = await api.post("/gold/written", WRITTEN)
    for _ in range(2):
        await api.post(f"/gold/{made['pair_id']}/retire", status=204)
    assert [one["retired"] for one in await api.get("/gold")] == [True]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/gold", {"pair_id": 99, "choice": "a"}, 404),
        ("/gold", {"pair_id": 2**63, "choice": "a"}, 422),
        ("/gold", {"pair_id": 1, "choice": "skip"}, 422),
        ("/gold/written", WRITTEN | {"bad": "4 "}, 422),
        ("/gold/written", WRITTEN | {"prompt": " "}, 422),
        ("/gold/99/retire", None, 404),
    ],
)
async def test_what_cannot_be_known_is_refused(api: AdminApi, path: str, body: object, status: int) -> None:
    await api.post(path, body, status=status)
    assert await api.get("/gold") == []
