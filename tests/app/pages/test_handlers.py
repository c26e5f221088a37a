"""The handlers that Gradio offers, as its own config lists them."""

from pathlib import Path

from data.records import Role
from tests.app.pages_stage import client, stage, web


async def test_the_board_offers_its_own_handlers_alone(tmp_path: Path):
    async with stage(tmp_path, buffer=0, prompts=1) as services:
        annotator = client(web(services), services, Role.ANNOTATOR)
        config = (await annotator.get("/annotate/config")).json()
        assert [handler["targets"][0][1] for handler in config["dependencies"]] == ["live"]
        offered = [name for component in config["components"] for name in component["props"].get("server_fns", [])]
        assert offered == ["act", "history", "difference"]
