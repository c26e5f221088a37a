"""The training page's work: what a round would use, what one did, and what serves, in words."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.pages.rounds import RoundsPage
from app.pages.rounds_view import Overview, round_words
from app.rounds import RoundView
from app.services import Services
from data.errors import AdapterError, ConflictError
from data.records import Annotator, Choice, Role, Round, RoundState, Verdict
from tests.app.pages_stage import stage
from tests.models import REPORT
from trainer.manifest import Canary, Manifest, Progress


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with stage(tmp_path) as services:
        yield services


async def judged(services: Services, choice: Choice, strength: int | None) -> None:
    ann = services.accounts.add(f"ann-{choice}", Role.ANNOTATOR)
    while (lease := await services.desk.next(ann)) is None:
        await asyncio.sleep(0.01)
    await services.desk.judge(ann, lease.token, Verdict(choice, strength), f"key-{choice}")


def round_of(state: RoundState, reason: str | None = None) -> Round:
    counts = {"train": 7, "heldout": 2, "judgments": 9}
    return Round(3, state, reason, {}, counts, None, 0, 1 if state.ended else None)


def manifest(accuracy: float | None) -> Manifest:
    report = REPORT.model_copy(update={"heldout_accuracy": accuracy, "heldout_pairs": 4})
    canary = Canary(prompt=(), token_ids=(), logprobs=(), base_logprobs=())
    return Manifest(
        snapshot_sha256="", adapter_sha256="", model="", revision="", steps=1, report=report, canary=canary, software={}
    )


async def test_the_first_view_says_that_nothing_is_there_yet(services: Services):
    view = await RoundsPage(services).refresh()
    assert view["preview"] == {"train": 0, "heldout": 0, "excluded": {}}
    assert view["round"] is None
    assert view["serving"]["name"] == "base"
    assert [(version["name"], version["served"]) for version in view["versions"]] == [("base", True)]


async def test_the_preview_counts_what_a_round_would_use(services: Services):
    page = RoundsPage(services)
    await judged(services, Choice.A, 3)
    await judged(services, Choice.TIE, None)
    preview = (await page.refresh())["preview"]
    assert preview["train"] + preview["heldout"] == 1
    assert preview["excluded"] == {"tie": 1}


async def test_what_cannot_be_done_is_answered_in_words(services: Services, monkeypatch: pytest.MonkeyPatch):
    async def refuse(*_: object, **__: object) -> None:
        raise AdapterError("adapter x is refused")

    page, boss = RoundsPage(services), services.accounts.add("boss", Role.ADMIN)
    with pytest.raises(ConflictError):
        await page.train(boss)
    with pytest.raises(ConflictError):
        monkeypatch.setattr(type(services.rounds), "cancel", _nothing_to_cancel)
        await page.cancel(1)
    monkeypatch.setattr(type(services.router), "promote", refuse)
    with pytest.raises(AdapterError):
        await page.serve("x", boss)
    answer = await page.answer("ask-1", page.serve("x", boss))
    assert (answer["note"], answer["tone"], answer["answers"]) == ("adapter x is refused", "warn", "ask-1")


async def _nothing_to_cancel(*_: object) -> None:
    raise ConflictError("round 1 is not training")


async def test_serving_another_version_names_who_chose_it(services: Services):
    boss: Annotator = services.accounts.add("boss", Role.ADMIN)
    page = RoundsPage(services)
    answer = await page.answer("ask", page.serve("base", boss))
    assert (answer["note"], answer["tone"]) == ("base serves now", "ok")
    event = services.store.versions.serving_history()[-1]
    assert (event.action, event.actor_id) == ("rollback", boss.id)
    assert boss.login not in event.reason


@pytest.mark.parametrize(
    ("state", "reason", "accuracy", "words"),
    [
        (RoundState.PROMOTED, None, 0.75, "It prefers the answer that people preferred in 75 % of 4 held-out pairs."),
        (RoundState.PROMOTED, None, None, "No held-out pair was there to measure it."),
        (RoundState.FAILED, "the disk is full", None, "Round 3 failed: the disk is full. base goes on serving."),
        (RoundState.CANCELLED, "cancelled", None, "Round 3 was cancelled. base goes on serving."),
        (RoundState.TRAINING, None, None, ""),
    ],
)
def test_how_a_round_ended_is_said(state: RoundState, reason: str | None, accuracy: float | None, words: str):
    done = manifest(accuracy) if state is RoundState.PROMOTED else None
    shown = round_words(RoundView(round_of(state, reason), None, [], done), "base")
    assert shown["words"].endswith(words)
    assert bool(shown["words"]) == state.ended
    assert bool(shown["report"]) == (done is not None)


@pytest.mark.parametrize("count", [0, 1, 240, 241, 1000])
def test_curves_are_thinned_out_but_end_at_the_last_step(count: int):
    metrics = [{"step": n, "loss": 0.5, "margin": 0.1, "accuracy": 1.0, "else": 0.0} for n in range(1, count + 1)]
    progress = Progress(phase="training", step=count, steps=1000, seconds_left=5)
    shown = round_words(RoundView(round_of(RoundState.TRAINING), progress, metrics, None), "base")
    assert shown["cancellable"]
    assert shown["seconds_left"] == 5
    assert len(shown["metrics"]["loss"]) <= 240
    assert shown["metrics"]["step"][-1:] == ([count] if count else [])
    assert set(shown["metrics"]) == {"step", "loss", "margin", "accuracy"}


async def test_a_preview_is_kept_for_a_while(services: Services, monkeypatch: pytest.MonkeyPatch):
    overview, made = Overview(services), []
    preview = services.rounds.preview
    monkeypatch.setattr(type(services.rounds), "preview", lambda self: made.append(1) or preview())
    for _ in range(3):
        overview.view()
    assert len(made) == 1
    overview.forget_preview()
    overview.view()
    assert len(made) == 2
