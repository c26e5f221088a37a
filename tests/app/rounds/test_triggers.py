"""What starts rounds: by themselves, by hand, and after another; over the whole application without a trainer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.rounds.algorithms import Algorithm
from app.rounds.local_zone import LOCAL
from app.rounds.schedule import RoundSettings
from app.rounds.triggers import Triggers, local_time
from app.services import Services
from data.errors import ConflictError
from data.records import Choice, Role, Round, RoundState, Split
from tests.app.admin_api import AdminApi, admin_api
from tests.app.berlin import in_berlin  # noqa: F401  # a fixture
from tests.app.pages_stage import stage
from tests.app.planted import judge_new_pairs
from tests.app.until import until
from tests.data.scene import raw
from trainer.interface.config import RoundConfig

NOW = local_time()


def algorithm_of(started: Round) -> object:
    training = started.config["training"]
    assert isinstance(training, dict)
    return training["algorithm"]


@pytest.fixture
async def services(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Services]:
    """With the trainer that a test asks for, or one that fails."""
    async with stage(tmp_path, buffer=0, prompts=60, trainer=getattr(request, "param", ("false",))) as services:
        yield services


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


@pytest.fixture
def triggers(services: Services) -> Callable[..., Triggers]:
    """Triggers by settings, at a time that tests tell."""

    def make(now: Callable[[], datetime] = lambda: NOW, **given: object) -> Triggers:
        settings = RoundSettings.model_validate({"least_pairs": 1, **given})
        return Triggers(services.store, services.rounds, settings, now=now)

    return make


def judge(services: Services, count: int) -> None:
    judge_new_pairs(services.store, [Choice.A] * count, split=Split.TRAIN)


async def test_so_many_judgments_start_exactly_one_round(services: Services, triggers: Callable[..., Triggers]):
    every = triggers(every_judgments=3)
    judge(services, 2)
    assert await every.start_due() is None
    judge(services, 1)
    started = await every.start_due()
    assert started is not None
    assert (started.cause, started.started_by, started.counts["train"]) == ("every 3 judgments", None, 3)
    assert await every.start_due() is None
    await services.rounds.wait()
    assert await every.start_due() is None  # those judgments have begun a round, though it failed
    judge(services, 3)
    assert await every.start_due() is not None


async def test_quiet_hours_hold_a_round_until_they_are_over(services: Services, triggers: Callable[..., Triggers]):
    judge(services, 1)
    clock = [NOW]
    hours = f"{NOW - timedelta(hours=1):%H:%M}-{NOW + timedelta(hours=1):%H:%M}"
    every = triggers(now=lambda: clock[0], every_judgments=1, quiet_hours=hours)
    assert await every.start_due() is None
    clock[0] += timedelta(hours=1, minutes=1)
    assert await every.start_due() is not None


@pytest.mark.usefixtures("in_berlin")
async def test_a_cron_time_does_not_come_again_when_summer_time_ends(
    services: Services, triggers: Callable[..., Triggers], tmp_path: Path
):
    judge(services, 1)
    clock = [datetime(2026, 10, 19, 3, tzinfo=LOCAL)]
    mondays = triggers(now=lambda: clock[0], cron="0 3 * * 1")
    started = await triggers().ask(None)
    assert started is not None
    await services.rounds.wait()
    with raw(tmp_path / "prefloop.db") as file:
        file.execute("update round set created_at = ?", [int(clock[0].timestamp() * 1000)])
    judge(services, 1)
    clock[0] = datetime(2026, 10, 25, 12, tzinfo=LOCAL)
    assert await mondays.start_due() is None
    clock[0] = datetime(2026, 10, 26, 3, tzinfo=LOCAL)
    assert await mondays.start_due() is not None


@pytest.mark.usefixtures("in_berlin")
def test_the_local_time_knows_summer_from_winter():
    offsets = [local_time().replace(month=month, day=1).utcoffset() for month in (1, 7)]
    assert offsets == [timedelta(hours=1), timedelta(hours=2)]


async def test_nothing_starts_by_itself_unless_the_settings_say_so(
    services: Services, triggers: Callable[..., Triggers]
):
    judge(services, 5)
    assert await triggers().start_due() is None


@pytest.mark.parametrize("services", [("sh", "-c", "exec sleep 60")], indirect=True)
async def test_a_round_asked_for_while_one_runs_waits_and_then_starts(
    services: Services, triggers: Callable[..., Triggers]
):
    judge(services, 2)
    admin, by_hand = services.accounts.add("root2", Role.ADMIN), triggers()
    first = await by_hand.ask(admin)
    assert first is not None
    assert await by_hand.ask(admin, Algorithm.KTO) is None
    with pytest.raises(ConflictError, match="Another round is queued already"):
        await by_hand.ask(admin)
    assert await by_hand.start_due() is None
    await until(lambda: services.rounds.view(first.id).round.state is RoundState.TRAINING)
    await services.rounds.cancel(first.id)
    await services.rounds.wait()
    judge(services, 1)
    second = await by_hand.start_due()
    assert second is not None
    assert (second.cause, second.started_by, second.counts["train"]) == ("by hand, after waiting", admin.id, 3)
    assert algorithm_of(second) == "kto"
    assert services.store.requests.waiting() is None


@pytest.fixture
def rebuilt_meanwhile(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, while a round is planned, a rebuild begins."""
    planner, plan = services.rounds._planner, services.rounds._planner.plan

    def late(*given: Any, **named: Any) -> RoundConfig:
        services.store.rounds.create(config={}, started_by=None, cause="rebuild of round 1")
        monkeypatch.setattr(planner, "plan", plan)
        return plan(*given, **named)

    monkeypatch.setattr(planner, "plan", late)


@pytest.mark.usefixtures("rebuilt_meanwhile")
async def test_a_round_that_waits_goes_on_waiting_if_a_rebuild_begins_first(
    services: Services, triggers: Callable[..., Triggers]
):
    judge(services, 1)
    asked, by_hand = services.store.requests.add("kto", None), triggers()
    assert await by_hand.start_due() is None
    assert services.store.requests.waiting() == asked
    [rebuild] = services.store.rounds.all()
    services.store.rounds.set_state(rebuild.id, RoundState.FAILED)
    started = await by_hand.start_due()
    assert started is not None
    assert (started.cause, algorithm_of(started)) == ("by hand, after waiting", "kto")
    assert services.store.requests.waiting() is None


@pytest.mark.usefixtures("rebuilt_meanwhile")
async def test_a_round_that_is_due_when_a_rebuild_begins_comes_after_it(
    services: Services, triggers: Callable[..., Triggers]
):
    judge(services, 1)
    every = triggers(every_judgments=1)
    assert await every.start_due() is None
    assert [entry.cause for entry in services.store.rounds.all()] == ["rebuild of round 1"]


async def test_a_round_that_is_being_started_is_not_withdrawn(
    services: Services, triggers: Callable[..., Triggers], monkeypatch: pytest.MonkeyPatch
):
    judge(services, 1)
    services.store.requests.add(None, None)
    by_hand, plan, withdrawing = triggers(), services.rounds._planner.plan, list[asyncio.Task[bool]]()
    loop = asyncio.get_running_loop()

    def withdrawn_meanwhile(*given: Any, **named: Any) -> RoundConfig:
        loop.call_soon_threadsafe(lambda: withdrawing.append(asyncio.create_task(by_hand.withdraw())))
        return plan(*given, **named)

    monkeypatch.setattr(services.rounds._planner, "plan", withdrawn_meanwhile)
    assert await by_hand.start_due() is not None
    assert not await withdrawing[0]


async def test_what_waits_can_be_withdrawn(services: Services, triggers: Callable[..., Triggers]):
    services.store.requests.add(None, None)
    by_hand = triggers()
    assert await by_hand.withdraw()
    assert not await by_hand.withdraw()
    assert await by_hand.start_due() is None


async def test_a_request_that_cannot_be_met_is_told_and_forgotten(
    services: Services, triggers: Callable[..., Triggers]
):
    services.store.requests.add(None, None)
    by_hand = triggers()
    running = asyncio.create_task(by_hand.loop.run())
    await until(lambda: by_hand.loop.last_error is not None)
    running.cancel()
    assert "judge some pairs first" in str(by_hand.loop.last_error)
    assert services.store.requests.waiting() is None


async def test_a_round_that_starts_ends_the_trouble(services: Services, triggers: Callable[..., Triggers]):
    by_hand = triggers()
    services.store.requests.add(None, None)
    running = asyncio.create_task(by_hand.loop.run())
    await until(lambda: by_hand.loop.last_error is not None)
    running.cancel()
    judge(services, 1)
    await by_hand.ask(None)
    assert by_hand.loop.last_error is None


async def test_what_nobody_foresaw_is_told_and_the_watch_goes_on(
    services: Services,
    triggers: Callable[..., Triggers],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr("app.rounds.triggers._EVERY_SECONDS", 0.01)
    monkeypatch.setattr("app.rounds.triggers._REST_SECONDS", 0.0)
    judge(services, 1)
    calls: list[int] = []

    def clock() -> datetime:
        calls.append(1)
        if len(calls) < 4:
            raise OverflowError("date value out of range")
        return NOW

    every = triggers(now=clock, every_judgments=1)
    running = asyncio.create_task(every.loop.run())
    await until(lambda: every.loop.last_error is not None)
    assert "unexpected: OverflowError('date value out of range')" in (every.loop.last_error or "")
    await until(lambda: services.store.rounds.all() != [] and every.loop.last_error is None)
    running.cancel()
    assert [record.message for record in caplog.records] == ["starting rounds"]


async def test_the_outline_is_made_anew_only_when_something_was_said(
    services: Services, triggers: Callable[..., Triggers]
):
    every = triggers()
    judge(services, 1)
    outline = every.outline()
    assert every.outline() is outline
    judge(services, 1)
    assert every.outline().train == 2


async def test_the_api_tells_before_what_the_round_says_after(api: AdminApi):
    judge_new_pairs(api.store, [Choice.A, Choice.B, Choice.TIE], split=Split.TRAIN)
    preview = await api.get("/rounds/preview")
    assert (preview["train"], preview["excluded"]) == (2, {"tie": 1})
    assert preview["waits"] == {"words": "Rounds are started manually.", "values": {}}
    started = await api.post("/rounds")
    assert started["sha256"] == preview["sha256"]
    assert started["counts"]["excluded_tie"] == 1
    queued = await api.post("/rounds", status=202)
    assert (queued["id"], (await api.get("/rounds/preview"))["waiting"]) == (None, True)
    assert (await api.browser.delete("/api/v1/rounds/waiting")).status_code == 204
    assert (await api.browser.delete("/api/v1/rounds/waiting")).status_code == 404
    await api.services.rounds.wait()
    [entry] = await api.get("/rounds")
    assert (entry["state"], entry["cause"], entry["sha256"]) == ("failed", "by hand", preview["sha256"])
    resumed = await api.post(f"/rounds/{entry['id']}/resume")
    assert resumed["id"] == entry["id"]
    await api.services.rounds.wait()
    assert (await api.get(f"/rounds/{entry['id']}"))["rules"]["agreement"] == 0.0
    assert [act for act, _ in await api.acts()] == ["resume_round", "withdraw_round", "start_round", "start_round"]
