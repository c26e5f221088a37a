"""A home that a prefloop of before the rooms made goes on: it opens, serves the same answers, exports and trains.

homes/before_rooms.tar.gz was written by the code of commit ea45a76: the built-in model, 16 judgments by two people, one
round, whose version an admin promoted. What is expected here was said by that code.
"""

import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.datasets.export_order import ExportOrder, usual_query
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import write
from app.home import Home
from app.services import Services
from app.serving.engine import SamplingJob, complete
from app.settings.open_store import open_store
from app.settings.settings import load_settings
from app.startup import open_services
from data.records import Message, RoundState, Sampling

TEA: tuple[Message, ...] = ({"role": "user", "content": "How do I make tea?"},)
ANSWER = "This is a good way to make tea. Please use one spoon of tea leaves for each cup."


@pytest.fixture
def home(tmp_path: Path) -> Home:
    with tarfile.open(Path(__file__).parent / "homes" / "before_rooms.tar.gz") as archive:
        archive.extractall(tmp_path / "home", filter="data")
    return Home(tmp_path / "home")


@pytest.fixture
async def services(home: Home) -> AsyncIterator[Services]:
    settings = load_settings(home.path)
    with open_store(home, settings) as store:
        async with open_services(home, settings, store) as services:
            yield services
            await services.rounds.close()


async def test_its_champion_serves_the_answers_that_it_gave(services: Services) -> None:
    assert services.router.champion == "round-000001"
    drawn = await complete(
        services.engine, SamplingJob(TEA, "round-000001", (7,), Sampling(temperature=0.0, max_new_tokens=24))
    )
    assert drawn[0].text == ANSWER


async def test_its_store_is_whole_and_says_what_it_said(services: Services) -> None:
    store = services.store
    assert store.check() == []
    assert store.judgments.last_id() == 16
    snapshot = store.rounds.snapshot(1)
    assert (len(snapshot.train), len(snapshot.heldout)) == (10, 5)
    assert store.rounds.by_id(1).state is RoundState.REFUSED


async def test_its_judgments_are_exported(services: Services, tmp_path: Path) -> None:
    tally = ExportTally()
    write(services.store, ExportOrder("prefloop", query=usual_query("prefloop")), tmp_path / "all.jsonl", tally)
    assert tally.judgments == 16


async def test_it_trains_on(services: Services) -> None:
    begun = await services.rounds.start(None)
    await services.rounds.wait()
    ended = services.store.rounds.by_id(begun.id)
    assert ended.state.made_version, ended.reason
    assert services.rounds.manifest(begun.id) is not None
