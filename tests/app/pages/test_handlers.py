"""Every admin handler, as Gradio's own config lists them, asked for directly by those who must not."""

import json
from pathlib import Path

from data.records import Role
from tests.app.pages_stage import client, stage, web


async def test_every_admin_handler_is_closed_to_others(tmp_path: Path):
    async with stage(tmp_path, buffer=0, prompts=1) as services:
        app = web(services)
        admin, annotator, stranger = (client(app, services, role) for role in (Role.ADMIN, Role.ANNOTATOR, None))
        handlers = (await admin.get("/admin/config")).json()["dependencies"]
        assert {"train", "cancel", "serve"} <= {event for handler in handlers for _, event in handler["targets"]}
        for handler in handlers:
            body = {"data": [], "fn_index": handler["id"], "session_hash": "x", "event_data": {}}
            names = (handler["api_name"], handler["id"])
            routes = ["queue/join", *(f"{route}/{name}" for route in ("call", "run", "api") for name in names)]
            for route in routes:
                path = f"/admin/gradio_api/{route}"
                assert (await annotator.post(path, json=body)).status_code == 403
                assert (await stranger.post(path, json=body)).status_code == 401
            assert (await admin.post("/admin/gradio_api/queue/join", json=body)).status_code == 200


async def test_no_handler_is_behind_the_other_mount(tmp_path: Path):
    """What an annotator can call on his own page is the board's entries, and none is an admin's."""
    async with stage(tmp_path, buffer=0, prompts=1) as services:
        annotator = client(web(services), services, Role.ANNOTATOR)
        config = (await annotator.get("/annotate/config")).json()
        assert [handler["targets"][0][1] for handler in config["dependencies"]] == ["live"]
        offered = [name for component in config["components"] for name in component["props"].get("server_fns", [])]
        assert offered == ["act", "history", "difference"]
        assert "training_board" not in json.dumps(config)
