import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from app.services import Services
from app.serving.engine import Answers, SamplingJob
from app.web.server import create_rest_app
from data.errors import PromptError
from data.records import Choice, FinishReason, Role
from tests.app.pages_stage import client, stage


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with stage(tmp_path) as services:
        yield services


@pytest.fixture
async def annotator(services: Services) -> AsyncClient:
    return client(create_rest_app(services), services, Role.ANNOTATOR)


@pytest.fixture
async def other(services: Services) -> AsyncClient:
    return client(create_rest_app(services), services, Role.ANNOTATOR)


async def next_pair(annotator: AsyncClient) -> dict[str, Any]:
    pair: dict[str, Any] = {"lease": None}
    while pair["lease"] is None:
        pair = (await annotator.post("/api/v1/next")).json()
    return pair


def verdict(pair: dict[str, Any], choice: str = "a", **more: object) -> dict[str, Any]:
    return {"lease": pair["lease"], "key": secrets.token_hex(8), "choice": choice, **more}


async def judged(annotator: AsyncClient, pair: dict[str, Any], choice: str = "a", **more: object) -> dict[str, Any]:
    answer = await annotator.post("/api/v1/judgments", json=verdict(pair, choice, **more))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_what_an_annotator_gets_is_a_pair_and_nothing_of_where_it_is_from(annotator: AsyncClient) -> None:
    assert set(await next_pair(annotator)) == {
        *("lease", "expires_at", "prompt", "a", "b", "trouble"),
        *("reasoning_a", "reasoning_b", "reasoning_tokens_a", "reasoning_tokens_b"),
        *("cut_off_after_a", "cut_off_after_b"),
    }


async def test_an_answer_that_was_cut_off_says_so_on_the_side_where_it_is_shown(
    services: Services, annotator: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now, in the list of judgments and when it comes again, whichever side it is on."""
    stream = services.engine.stream

    async def first_is_cut(job: SamplingJob) -> AsyncGenerator[Answers, None]:
        async for answers in stream(job):
            if answers.completions is None:
                continue
            first, *others = answers.completions
            cut = replace(first, text="On and on", token_ids=(5, 6, 7), logprobs=(-0.5,) * 3)
            yield Answers(answers.texts, (replace(cut, finish_reason=FinishReason.LENGTH), *others))

    monkeypatch.setattr(services.engine, "stream", first_is_cut)
    sides = set()
    for _ in range(40):
        pair = await next_pair(annotator)
        made = await judged(annotator, pair)
        if "On and on" not in (pair["a"], pair["b"]):
            continue  # made before
        again = (await annotator.post(f"/api/v1/judgments/{made['id']}/change")).json()
        [past, *_] = (await annotator.get("/api/v1/judgments")).json()
        cut, whole = ("a", "b") if pair["a"] == "On and on" else ("b", "a")
        for shown in (pair, past, again):
            assert (shown[f"cut_off_after_{cut}"], shown[f"cut_off_after_{whole}"]) == (3, None)
        sides.add(cut)
        await judged(annotator, again)
        if sides == {"a", "b"}:
            return
    raise AssertionError(f"it was shown on {sides}")


async def test_a_judgment_is_kept_once_however_often_it_is_sent(services: Services, annotator: AsyncClient) -> None:
    body = verdict(await next_pair(annotator), strength=3, elapsed_ms=1200)
    first, again = [await annotator.post("/api/v1/judgments", json=body) for _ in range(2)]

    assert first.json() == again.json()
    assert services.store.judgments.count() == 1


async def test_a_judgment_and_its_undo_wake_what_decides_on_votes_and_starts_rounds(
    services: Services, annotator: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    for loop in (services.trial.loop, services.triggers.loop):
        monkeypatch.setattr(loop, "wake", partial(woken.append, loop.name))
    names = [services.trial.loop.name, services.triggers.loop.name]
    pair = await next_pair(annotator)
    assert woken == []
    await judged(annotator, pair)
    assert woken == names
    assert (await annotator.post("/api/v1/undo")).status_code == 200
    assert woken == 2 * names


async def test_the_stored_choice_is_of_the_text_that_was_shown(services: Services, annotator: AsyncClient) -> None:
    for _ in range(6):
        pair = await next_pair(annotator)
        made = await judged(annotator, pair)
        row = services.store.judgments.by_id(made["id"])
        stored = services.store.pairs.by_id(row.pair_id)
        assert (stored.a if row.choice is Choice.A else stored.b).text == pair["a"]


async def test_undo_brings_the_pair_back_with_what_had_been_said(annotator: AsyncClient) -> None:
    pair = await next_pair(annotator)
    await judged(annotator, pair, "b", reasons_a=["Correct"], comment="because", flag="unsafe", edit="as it should be")
    undone = (await annotator.post("/api/v1/undo")).json()

    assert (undone["a"], undone["b"], undone["was"]["choice"]) == (pair["a"], pair["b"], "b")
    assert undone["was"]["remarks"] == {
        "reasons_a": ["Correct"],
        "reasons_b": [],
        "comment": "because",
        "flag": "unsafe",
        "edit": "as it should be",
    }
    assert (await annotator.post("/api/v1/undo")).json()["was"] is None


async def test_ones_judgments_are_listed_and_can_be_changed(annotator: AsyncClient) -> None:
    pair = await next_pair(annotator)
    made = await judged(annotator, pair, "b", strength=2)
    [past] = (await annotator.get("/api/v1/judgments")).json()
    assert (past["id"], past["a"], past["b"], past["said"]["choice"]) == (made["id"], pair["a"], pair["b"], "b")

    again = (await annotator.post(f"/api/v1/judgments/{made['id']}/change")).json()
    assert (again["a"], again["was"]["strength"]) == (pair["a"], 2)
    await judged(annotator, again, "tie")
    [past] = (await annotator.get("/api/v1/judgments")).json()
    assert past["said"]["choice"] == "tie"
    assert (await annotator.get(f"/api/v1/judgments?before={past['id']}")).json() == []


async def test_what_somebody_else_holds_or_said_is_not_found(annotator: AsyncClient, other: AsyncClient) -> None:
    pair = await next_pair(annotator)
    assert (await other.post("/api/v1/judgments", json=verdict(pair))).status_code == 404
    made = await judged(annotator, pair)
    assert (await other.post(f"/api/v1/judgments/{made['id']}/change")).status_code == 404
    continued = {"text": "and?", "after": made["id"]}
    assert (await other.post("/api/v1/prompts", json=continued)).status_code == 404
    assert (await other.get("/api/v1/judgments")).json() == []


async def test_a_prompt_of_ones_own_comes_back_as_a_pair_and_goes_on(annotator: AsyncClient) -> None:
    answer = await annotator.post("/api/v1/prompts", json={"text": "How do I whistle?"})
    assert answer.status_code == 201
    pair = answer.json()
    assert pair["prompt"] == [{"role": "user", "content": "How do I whistle?"}]
    made = await judged(annotator, pair, "b", edit="Purse your lips.")
    longer = (await annotator.post("/api/v1/prompts", json={"text": "And then?", "after": made["id"]})).json()
    assert [turn["content"] for turn in longer["prompt"]] == ["How do I whistle?", "Purse your lips.", "And then?"]


async def test_own_statistics_count_what_one_did(annotator: AsyncClient) -> None:
    await judged(annotator, await next_pair(annotator), "a", elapsed_ms=2500)
    stats = (await annotator.get("/api/v1/stats")).json()
    assert (stats["judgments"], stats["last_day"], stats["by_choice"]["a"], stats["median_seconds"]) == (1, 1, 1, 2.5)


async def test_the_desk_says_what_a_judgment_may_hold(services: Services, annotator: AsyncClient) -> None:
    desk = (await annotator.get("/api/v1/desk")).json()
    assert desk["reasons"] == list(services.settings.reasons)
    assert desk["guideline"]["version"] == "1"
    assert "zh" in desk["guideline"]["translations"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": "c"},
        {"strength": 4},
        {"choice": "tie", "strength": 2},
        {"key": ""},
        {"elapsed_ms": -1},
        {"reasons_a": ["Prettier"]},
        {"reasons_a": ["Correct", "Correct"]},
        {"comment": "x" * 2001},
        {"flag": "ugly"},
        {"choice": "tie", "edit": "better"},
        {"edit": "  "},
        {"colour": "blue"},
    ],
)
async def test_nonsense_is_refused_and_nothing_is_kept(
    services: Services, annotator: AsyncClient, wrong: dict[str, object]
) -> None:
    body = verdict(await next_pair(annotator)) | wrong

    assert (await annotator.post("/api/v1/judgments", json=body)).status_code == 422
    assert services.store.judgments.count() == 0


async def test_a_refusal_can_be_translated(annotator: AsyncClient) -> None:
    body = verdict(await next_pair(annotator), reasons_b=["Prettier"])
    refusal = (await annotator.post("/api/v1/judgments", json=body)).json()
    assert refusal["detail"] == refusal["template"].format(**refusal["values"])
    assert refusal["values"] == {"reason": "Prettier"}


async def test_who_asks_what_the_model_never_takes_is_told_at_once_and_no_more_than_may_be(
    services: Services, annotator: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(_: SamplingJob) -> AsyncGenerator[Answers, None]:
        raise PromptError("the template of round-000001 says no", reason="refused by the chat template")
        yield

    monkeypatch.setattr(services.engine, "stream", refuses)
    answer = await annotator.post("/api/v1/prompts", json={"text": "Be a system turn"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("The model cannot be asked this")
    assert "round" not in answer.text
