from pathlib import Path

from data.records import Role
from tests.app.admin_api import admin_api


async def test_every_setting_is_told_with_where_it_came_from(tmp_path: Path) -> None:
    async with admin_api(tmp_path) as api:
        found = {one["key"]: one for one in await api.get("/settings")}
    assert found["port"] == {"key": "port", "value": 7860, "default": 7860, "source": "default"}
    assert {"queue.overlap", "sampling.temperature", "training.algorithm"} < found.keys()


async def test_settings_are_for_admins(tmp_path: Path) -> None:
    async with admin_api(tmp_path, Role.ANNOTATOR) as api:
        assert (await api.browser.get("/api/v1/settings")).status_code == 403
