"""Reasoning before an answer, as annotators get it: apart from the answer, as the setting says, and harmless."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from app.annotation.desk import Desk
from app.annotation.queue_settings import QueueSettings, ShownReasoning
from app.markdown.render import Markdown
from app.pages.annotate.page import AnnotatePage
from app.pages.annotate.views import PairView
from app.services import Services
from app.web.server import create_rest_app
from data.records import Annotator, Role
from tests.app.api.test_annotate import judged, next_pair
from tests.app.pages_stage import HOSTILE, TRAINING_ALONE, client, stage

PLAIN = "It takes seven minutes."
REASONED = "<think>\nLet me think: *six* or seven?\n</think>\n\nAbout seven minutes."
SECRET = "Let me think"


def shown_as(shown: ShownReasoning) -> QueueSettings:
    return TRAINING_ALONE.model_copy(update={"reasoning": shown})


@asynccontextmanager
async def thinking(
    home: Path, shown: ShownReasoning = ShownReasoning.FOLDED, answers: tuple[str, str] = (PLAIN, REASONED)
) -> AsyncIterator[Services]:
    async with stage(home, buffer=2, prompts=3, answers=answers, queue=shown_as(shown)) as services:
        yield services


def side_of(pair: dict[str, Any], text: str) -> str:
    return "a" if pair["a"] == text else "b"


async def opened(services: Services) -> tuple[AnnotatePage, Annotator, PairView]:
    page, ann = AnnotatePage(services, Markdown()), services.accounts.add("ann", Role.ANNOTATOR)
    view = PairView()
    while "token" not in view:
        view = await page.act({"do": "next"}, ann)
    return page, ann, view


async def test_reasoning_stands_beside_the_answer_and_not_in_it(tmp_path: Path) -> None:
    async with thinking(tmp_path) as services:
        annotator = client(create_rest_app(services), services, Role.ANNOTATOR)
        pair = await next_pair(annotator)
        side, other = ("a", "b") if pair["a"] == "About seven minutes." else ("b", "a")
        assert {pair["a"], pair["b"]} == {"About seven minutes.", PLAIN}
        assert pair[f"reasoning_{side}"] == "Let me think: *six* or seven?"
        assert pair[f"reasoning_tokens_{side}"] == 6
        assert (pair[f"reasoning_{other}"], pair[f"reasoning_tokens_{other}"]) == (None, None)


async def test_it_comes_again_with_the_history_and_an_undo(tmp_path: Path) -> None:
    async with thinking(tmp_path) as services:
        annotator = client(create_rest_app(services), services, Role.ANNOTATOR)
        pair = await next_pair(annotator)
        await judged(annotator, pair)
        [past] = (await annotator.get("/api/v1/judgments")).json()
        again = (await annotator.post("/api/v1/undo")).json()
        for key in ("reasoning_a", "reasoning_b", "reasoning_tokens_a", "reasoning_tokens_b"):
            assert past[key] == again[key] == pair[key]


async def test_hidden_reasoning_is_sent_to_nobody_who_annotates(tmp_path: Path) -> None:
    async with thinking(tmp_path, ShownReasoning.HIDDEN) as services:
        annotator = client(create_rest_app(services), services, Role.ANNOTATOR)
        pair = await next_pair(annotator)
        await judged(annotator, pair)
        seen = [pair, *(await annotator.get("/api/v1/judgments")).json(), (await annotator.post("/api/v1/undo")).json()]
        _, ann, view = await opened(services)
        live = [item async for item in services.desk.live(ann)]
        assert SECRET not in repr((seen, view, [item.thoughts for item in live]))
        assert services.store.lineage.find("About seven")[0].reasoning is not None


@pytest.mark.parametrize(("shown", "unfolded"), [(ShownReasoning.FOLDED, False), (ShownReasoning.OPEN, True)])
async def test_the_page_unfolds_it_from_the_start_if_an_admin_says_so(
    tmp_path: Path, shown: ShownReasoning, unfolded: bool
) -> None:
    async with thinking(tmp_path, shown) as services:
        _, _, view = await opened(services)
        side = side_of({"a": view["text"]["a"]}, "About seven minutes.")
        thought = view["reasoning"][side]
        assert thought is not None
        assert thought["tokens"] == 6
        assert "<em>six</em>" in thought["html"]
        assert view["open"] is unfolded
        assert SECRET not in view["a"] + view["b"]


async def test_a_pair_without_reasoning_says_nothing_of_it(tmp_path: Path) -> None:
    async with thinking(tmp_path, answers=(PLAIN, "Seven.")) as services:
        _, _, view = await opened(services)
        assert "reasoning" not in view


async def test_reasoning_is_as_harmless_as_an_answer(tmp_path: Path) -> None:
    async with thinking(tmp_path, answers=(PLAIN, f"<think>{HOSTILE}</think>Yes.")) as services:
        _, _, view = await opened(services)
        [thought] = [one for one in view["reasoning"].values() if one is not None]
        assert "<script" not in thought["html"] and "<img" not in thought["html"] and "href" not in thought["html"]


async def test_a_stream_tells_the_two_apart_at_every_moment(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=0, answers=(PLAIN, REASONED), queue=TRAINING_ALONE) as services:
        ann = services.accounts.add("ann", Role.ANNOTATOR)
        seen = [item async for item in services.desk.live(ann)]
        assert any(item.lease is None and any(item.thoughts) for item in seen)
        for item in seen:
            for text in item.texts:
                assert SECRET not in text and "think" not in text
            for thought in item.thoughts:
                assert thought is None or "think>" not in thought.text


async def test_a_view_of_a_pair_being_written_has_its_reasoning_too(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=0, answers=(PLAIN, REASONED), queue=TRAINING_ALONE, pause=0.15) as services:
        page, ann = AnnotatePage(services, Markdown()), services.accounts.add("ann", Role.ANNOTATOR)
        views = [view async for view in page.live("1", None, ann)]
        assert any(view["state"] == "live" and "reasoning" in view for view in views)


async def test_two_answers_that_differ_by_their_reasoning_alone_are_never_a_pair(tmp_path: Path) -> None:
    async with thinking(tmp_path, answers=("Seven.", "<think>hm, seven</think>Seven.")) as services:
        ann = services.accounts.add("ann", Role.ANNOTATOR)
        assert [item.lease async for item in services.desk.live(ann)][-1] is None


async def test_an_admin_finds_it_with_an_answer_and_a_known_pair(tmp_path: Path) -> None:
    async with thinking(tmp_path) as services:
        boss: AsyncClient = client(create_rest_app(services), services, Role.ADMIN)
        pair = await next_pair(boss)
        made = await judged(boss, pair)
        of = services.store.judgments.by_id(made["id"]).pair_id
        known = (await boss.post("/api/v1/gold", json={"pair_id": of, "choice": "a"})).json()
        assert SECRET in str((known["reasoning_a"], known["reasoning_b"]))
        [answer, *_] = (await boss.get("/api/v1/lineage/answers", params={"text": "About seven"})).json()
        assert (answer["reasoning"], answer["reasoning_tokens"]) == ("Let me think: *six* or seven?", 6)


@pytest.mark.parametrize("keeps", [False, True])
async def test_a_conversation_shows_people_only_what_was_said(tmp_path: Path, keeps: bool) -> None:
    async with thinking(tmp_path) as services:
        desk = Desk(
            services.store,
            services.feeder,
            services.router,
            lease_ms=600_000,
            reasons=(),
            turns=4,
            queue=TRAINING_ALONE,
            keeps_reasoning=keeps,
        )
        wired = replace(services, desk=desk)
        annotator = client(create_rest_app(wired), wired, Role.ANNOTATOR)
        pair = await next_pair(annotator)
        side = "a" if pair["a"] == "About seven minutes." else "b"
        made = await judged(annotator, pair, side)
        after = await annotator.post("/api/v1/prompts", json={"text": "And an ostrich's?", "after": made["id"]})
        assert after.json()["prompt"][-2:] == [
            {"role": "assistant", "content": "About seven minutes."},
            {"role": "user", "content": "And an ostrich's?"},
        ]
        [kept] = [prompt for prompt in services.store.prompts.sample(None, 99, 0) if "ostrich" in str(prompt.messages)]
        assert (SECRET in str(kept.messages)) is keeps
