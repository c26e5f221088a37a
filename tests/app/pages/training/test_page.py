"""The training page's work: what a round would use, what one did, and what serves, in words."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.pages.training.page import RoundsPage
from app.pages.training.view import Overview, round_words
from app.reports.cells import Note
from app.reports.round_tables import report_words
from app.rounds.algorithms import Algorithm
from app.rounds.runner import RoundView
from app.services import Services
from data.errors import AdapterError, ConflictError, InputError
from data.records import Annotator, Choice, Role, Round, RoundState, Split, Verdict
from tests.app.canned_version import add_version
from tests.app.pages_stage import stage
from tests.models import REPORT
from trainer.interface.manifest import Agreement, Canary, Manifest, Progress, RewardReport

OLD_MANIFEST = json.dumps(
    {
        "format": 1,
        "snapshot_sha256": "0",
        "adapter_sha256": "0",
        "model": "canned",
        "revision": "0",
        "steps": 1,
        "report": {"pairs": 1, "heldout_pairs": 0, "heldout_accuracy": None, "train_accuracy": 1.0, "kl_mean": 0.1},
        "canary": {"prompt": [], "token_ids": [], "logprobs": [], "base_logprobs": []},
        "software": {},
    }
)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with stage(tmp_path) as services:
        yield services


async def judged(services: Services, choice: Choice, strength: int | None) -> None:
    ann = services.accounts.add(f"ann-{choice}", Role.ANNOTATOR)
    while (lease := await services.desk.next(ann)) is None:
        await asyncio.sleep(0.01)
    await services.desk.judge(ann, lease.token, Verdict(choice, strength), f"key-{choice}")


def said(cell: Note | str) -> str:
    """What an English reader sees."""
    return cell if isinstance(cell, str) else cell["words"].format(**cell.get("values", {}))


def round_of(state: RoundState, reason: str | None = None, config: dict[str, object] | None = None) -> Round:
    counts = {"train": 7, "heldout": 2, "both_bad": 0, "judgments": 9}
    return Round(3, state, reason, config or {}, counts, None, 0, 1 if state.ended else None)


def manifest(accuracy: float | None) -> Manifest:
    report = REPORT.model_copy(update={"heldout": Agreement(pairs=4, accuracy=accuracy)})
    canary = Canary(prompt=(), token_ids=(), logprobs=(), base_logprobs=())
    return Manifest(
        snapshot_sha256="", adapter_sha256="", model="", revision="", steps=1, report=report, canary=canary, software={}
    )


async def test_the_first_view_says_that_nothing_is_there_yet(services: Services):
    view = await RoundsPage(services).refresh()
    preview = view["preview"]
    assert (preview["train"], preview["heldout"], preview["both_bad"], preview["excluded"]) == (0, 0, 0, {})
    assert (said(preview["waits"]), preview["waiting"]) == ("Rounds start by hand.", False)
    assert view["algorithms"]["configured"] == "dpo"
    assert [name for name, _ in view["algorithms"]["known"]] == list(Algorithm)
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


async def test_the_preview_counts_pairs_of_two_bad_answers(services: Services):
    await judged(services, Choice.BOTH_BAD, None)
    preview = (await RoundsPage(services).refresh())["preview"]
    [pair] = services.store.judgments.history(1, 9)
    trains = services.store.pairs.by_id(pair.pair_id).prompt.split is Split.TRAIN
    assert (preview["both_bad"], preview["excluded"]) == ((1, {}) if trains else (0, {"both_bad": 1}))


async def test_what_cannot_be_done_is_answered_in_words(services: Services, monkeypatch: pytest.MonkeyPatch):
    async def refuse(*_: object, **__: object) -> None:
        raise AdapterError("adapter x is refused")

    page, boss = RoundsPage(services), services.accounts.add("boss", Role.ADMIN)
    with pytest.raises(ConflictError):
        await page.train(boss, "kto")
    with pytest.raises(InputError, match=r"no algorithm 'sgd'\. Choose one of dpo"):
        await page.train(boss, "sgd")
    with pytest.raises(ConflictError):
        monkeypatch.setattr(type(services.rounds), "cancel", _nothing_to_cancel)
        await page.cancel(1, boss)
    monkeypatch.setattr(type(services.registry), "promote", refuse)
    with pytest.raises(AdapterError):
        await page.serve("x", boss)
    answer = await page.answer("ask-1", page.serve("x", boss))
    assert (said(answer["note"]), answer["tone"], answer["answers"]) == ("adapter x is refused", "warn", "ask-1")


async def _nothing_to_cancel(*_: object) -> None:
    raise ConflictError("round 1 is not training")


async def test_serving_another_version_names_who_chose_it(services: Services):
    boss: Annotator = services.accounts.add("boss", Role.ADMIN)
    add_version(services.store, services.adapter_store, "v1")
    page = RoundsPage(services)
    answer = await page.answer("ask", page.serve("v1", boss))
    assert (said(answer["note"]), answer["tone"]) == ("v1 serves now", "ok")
    event = services.store.versions.serving_history()[-1]
    assert (event.action, event.actor_id) == ("promote", boss.id)
    assert boss.login not in event.reason
    [act] = services.store.audit.newest(9)
    assert (act.actor_id, act.action, act.detail) == (boss.id, "promote", {"name": "v1"})


@pytest.mark.parametrize(
    ("state", "reason", "accuracy", "words"),
    [
        (RoundState.PROMOTED, None, 0.75, "It prefers the answer that people preferred in 75 % of 4 held-out pairs."),
        (RoundState.PROMOTED, None, None, "No held-out pair was there to measure it."),
        (RoundState.FAILED, "the disk is full", None, "Round 3 failed: the disk is full. base goes on serving."),
        (RoundState.FAILED, None, None, "Round 3 failed; no reason was given. base goes on serving."),
        (RoundState.CANCELLED, "cancelled", None, "Round 3 was cancelled. base goes on serving."),
        (RoundState.TRAINING, None, None, ""),
    ],
)
def test_how_a_round_ended_is_said(state: RoundState, reason: str | None, accuracy: float | None, words: str):
    done = manifest(accuracy) if state is RoundState.PROMOTED else None
    shown = round_words(RoundView(round_of(state, reason), None, [], done), "base")
    outcome = " ".join(map(said, shown["outcome"]))
    assert outcome.endswith(words)
    assert bool(outcome) == state.ended
    assert bool(shown["report"]) == (done is not None)


@pytest.mark.parametrize("count", [0, 1, 240, 241, 1000])
def test_curves_are_thinned_out_but_end_at_the_last_step(count: int):
    metrics = [{"step": n, "loss": 0.5, "margin": 0.1, "accuracy": 1.0, "else": 0.0} for n in range(1, count + 1)]
    progress = Progress(phase="training", step=count, steps=1000, seconds_left=5)
    shown = round_words(RoundView(round_of(RoundState.TRAINING), progress, metrics, None), "base")
    assert shown["cancellable"]
    assert shown["seconds_left"] == 5
    assert list(shown["curves"]) == (["loss", "margin", "accuracy"] if count else [])
    for curve in shown["curves"].values():
        assert len(curve["steps"]) == len(curve["values"]) <= 240
        assert curve["steps"][-1] == count


def test_curves_are_those_that_the_algorithm_measures():
    """PPO's steps may leave numbers out, and whole steps."""
    metrics = [{"step": 1, "loss": 0.5, "score": 0.1, "kl": 0.0, "length": 9.0}, {"step": 5, "loss": 0.4, "score": 0.2}]
    shown = round_words(RoundView(round_of(RoundState.TRAINING), None, metrics, None), "base")
    assert list(shown["curves"]) == ["score", "kl", "length"]
    assert shown["curves"]["score"] == {"steps": [1, 5], "values": [0.1, 0.2]}
    assert shown["curves"]["kl"] == {"steps": [1], "values": [0.0]}


@pytest.mark.parametrize(
    ("config", "label"), [({"training": {"algorithm": "kto"}}, "KTO"), ({}, ""), ({"training": {"algorithm": "x"}}, "")]
)
def test_a_round_names_its_algorithm_if_it_is_known(config: dict[str, object], label: str):
    shown = round_words(RoundView(round_of(RoundState.TRAINING, config=config), None, [], None), "base")
    assert shown["algorithm"] == label


def test_a_report_has_all_numbers_in_words():
    shown = report_words(manifest(0.75))
    tables = {
        table["title"]: {row[0]: [said(cell) for cell in row[1:]] for row in table["rows"]} for table in shown["tables"]
    }
    assert said(dict(shown["tiles"])["Held-out accuracy"]) == "75 %"
    assert set(tables) == {"Agreement with people", "Fresh answers at temperature 1", "How it was trained"}
    agreement = tables["Agreement with people"]
    assert agreement["Pairs"] == ["1", "4"]
    assert agreement["Accuracy: the chosen answer gained more"] == ["100 %", "75 %"]
    assert agreement["Change of the rejected answer's log-probability"] == ["-0.50 nats", "–"]
    assert tables["Fresh answers at temperature 1"]["KL to the reference, largest"] == ["0.90 nats an answer"]
    assert tables["How it was trained"]["Algorithm"] == ["DPO"]
    for table in shown["tables"]:
        assert {len(row) for row in table["rows"]} == {len(table["head"])}


def test_a_report_of_ppo_tells_what_its_reward_model_is_worth():
    reward = RewardReport(train_accuracy=0.9, heldout_accuracy=0.7, calibration_error=None)
    report = REPORT.model_copy(update={"algorithm": "ppo", "reward": reward, "notes": ("memory ran out once",)})
    shown = report_words(manifest(None).model_copy(update={"report": report}))
    assert said(dict(shown["tiles"])["Reward model, held out"]) == "70 %"
    assert [table["title"] for table in shown["tables"]].index("Reward model") == 2
    assert shown["notes"] == ("memory ran out once",)


async def test_a_version_whose_report_an_older_prefloop_wrote_shows_none(services: Services):
    entry = services.store.rounds.create(config={}, started_by=None, admit=lambda *_: None)
    services.store.versions.add("round-000001", round_id=entry.id, parent="base", sha256="0" * 64)
    services.store.rounds.set_state(entry.id, RoundState.PROMOTED)
    place = services.rounds.directory(entry.id).path
    place.mkdir(parents=True)
    (place / "manifest.json").write_text(OLD_MANIFEST)
    view = await RoundsPage(services).refresh()
    assert view["round"] is not None
    assert view["round"]["report"] is None
    assert [said(note) for note in view["round"]["outcome"]] == ["Round 1 is done, and its version has taken over."]
    assert [(version["pairs"], version["accuracy"]) for version in view["versions"]] == [(None, None), (None, None)]


async def test_a_preview_is_kept_for_a_while(services: Services, monkeypatch: pytest.MonkeyPatch):
    overview, made = Overview(services), []
    outline = services.triggers.outline
    monkeypatch.setattr(type(services.triggers), "outline", lambda self: made.append(1) or outline())
    for _ in range(3):
        overview.view()
    assert len(made) == 1
    overview.forget_preview()
    overview.view()
    assert len(made) == 2
