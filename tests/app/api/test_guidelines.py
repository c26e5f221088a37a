from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.annotation.guidelines import LONGEST
from tests.app.admin_api import AdminApi, admin_api
from tests.app.pages_stage import HOSTILE
from tests.app.planted import HABITS, plant


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


async def test_a_published_text_is_in_force_and_the_old_one_stays(api: AdminApi) -> None:
    [before] = await api.get("/guidelines")
    made = await api.post("/guidelines", {"body": "# Be kind", "translations": {"zh": "# 与人为善"}})
    assert (made["version"], made["body"], made["translations"]) == ("2", "# Be kind", {"zh": "# 与人为善"})
    assert await api.get("/guidelines") == [made, before]
    assert [action for action, _ in await api.acts()] == ["publish_guidelines"]


async def test_the_same_text_once_more_is_no_new_version(api: AdminApi) -> None:
    first = await api.post("/guidelines", {"body": "# Be kind"})
    assert await api.post("/guidelines", {"body": "# Be kind"}) == first


async def test_judgments_are_counted_under_the_version_they_were_given_under(api: AdminApi) -> None:
    plant(api.store, pairs=3, gold=0)
    await api.post("/guidelines", {"body": "# Be kind"})
    assert [one["judgments"] for one in await api.get("/guidelines")] == [0, 3 * len(HABITS)]


@pytest.mark.parametrize(
    "body",
    [
        {"body": " \n"},
        {"body": "x" * (LONGEST + 1)},
        {"body": "x", "translations": {"zh": "x" * (LONGEST + 1)}},
        {"body": "x", "translations": {"../": "x"}},
        {"body": "x", "more": 1},
    ],
)
async def test_an_unfit_text_is_refused(api: AdminApi, body: dict[str, object]) -> None:
    await api.post("/guidelines", body, status=422)
    assert len(await api.get("/guidelines")) == 1


async def test_a_preview_is_what_annotators_would_see_and_harmless(api: AdminApi) -> None:
    assert (await api.post("/guidelines/preview", {"body": "# Be **kind**"}, status=200))["html"] == (
        '<h3 dir="ltr">Be <strong>kind</strong></h3>\n'
    )
    html = (await api.post("/guidelines/preview", {"body": HOSTILE}, status=200))["html"]
    assert "<script" not in html
    assert "<img" not in html
    assert await api.acts() == []
