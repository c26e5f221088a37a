import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.admin_api import AdminApi, admin_api
from tests.app.canned_version import add_version
from trainer.interface.adapter_files import CONFIG, WEIGHTS


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        for name in ("v1", "v2"):
            add_version(api.store, api.services.adapter_store, name)
        yield api


async def standings(api: AdminApi) -> dict[str, str]:
    return {version["name"]: version["standing"] for version in (await api.get("/adapters"))["versions"]}


async def test_a_version_is_promoted_with_a_reason_and_the_list_tells(api: AdminApi) -> None:
    answer = await api.post("/adapters/v1/promote", {"reason": "better"}, status=200)
    assert answer == {"champion": "v1"}
    listed = await api.get("/adapters")
    assert listed["champion"] == "v1"
    base, first, _ = listed["versions"]
    assert (first["parent"], first["round"], first["standing"]) == ("base", None, "serves")
    [decision] = first["decisions"]
    assert (decision["ruling"], decision["reason"]) == ("promote", "better")
    assert decision["by"] is not None
    assert base["servings"][0]["until"] == first["servings"][0]["since"]
    assert first["servings"][0]["until"] is None
    assert (await api.acts())[0] == ("promote", {"name": "v1", "reason": "better"})


async def test_going_back_serves_what_served_before(api: AdminApi) -> None:
    await api.post("/adapters/v1/promote", {"reason": "better"}, status=200)
    assert await api.post("/adapters/roll-back", {"reason": "worse"}, status=200) == {"champion": "base"}
    assert (await standings(api))["v1"] == "refused"
    await api.post("/adapters/roll-back", {"reason": "worse"}, status=409)


async def test_versions_are_refused_and_retired(api: AdminApi) -> None:
    await api.post("/adapters/v1/refuse", {"reason": "too long"}, status=204)
    await api.post("/adapters/v2/retire", {"reason": "old"}, status=204)
    assert await standings(api) == {"base": "serves", "v1": "refused", "v2": "retired"}
    await api.post("/adapters/v2/promote", {"reason": "again"}, status=409)
    await api.post("/adapters/base/retire", {"reason": "old"}, status=409)


@pytest.mark.parametrize("act", ["promote", "refuse", "retire"])
async def test_every_act_wants_a_reason_and_a_version_that_exists(api: AdminApi, act: str) -> None:
    for body in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "r", "why": "?"}):
        await api.post(f"/adapters/v1/{act}", body, status=422)
    await api.post(f"/adapters/v9/{act}", {"reason": "r"}, status=404)
    assert (await standings(api))["v1"] == "unused"


async def test_a_version_is_handed_out_as_a_directory(api: AdminApi) -> None:
    answer = await api.browser.get("/api/v1/adapters/v1/files")
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="v1.zip"' in answer.headers["content-disposition"]
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    assert set(packed.namelist()) == {f"v1/{name}" for name in (CONFIG, WEIGHTS, "prefloop.json")}
    assert packed.read(f"v1/{WEIGHTS}") == b"v1"


@pytest.mark.parametrize(("name", "status"), [("base", 409), ("v9", 404)])
async def test_there_is_nothing_to_hand_out(api: AdminApi, name: str, status: int) -> None:
    assert (await api.browser.get(f"/api/v1/adapters/{name}/files")).status_code == status


async def test_a_damaged_version_is_not_handed_out(api: AdminApi) -> None:
    (api.services.adapter_store.path("v1") / WEIGHTS).write_bytes(b"damaged")
    answer = await api.browser.get("/api/v1/adapters/v1/files")
    assert answer.status_code == 503
    assert "have changed" in answer.json()["detail"]


async def test_a_version_of_another_prompt_format_is_marked(api: AdminApi) -> None:
    formats, versions = api.store.prompt_formats, api.store.versions
    today, other = {"template": "today"}, {"template": "other"}
    versions.add("v3", round_id=None, parent="base", sha256="0" * 64, prompt_format=other)
    formats.put_in_force(today, former=today)
    listed = {version["name"]: version for version in (await api.get("/adapters"))["versions"]}
    assert {name: one["old_format"] for name, one in listed.items()} == {
        "base": False,
        "v1": False,
        "v2": False,
        "v3": True,
    }
    assert listed["v1"]["prompt_format"] == formats.in_force() != listed["v3"]["prompt_format"]
