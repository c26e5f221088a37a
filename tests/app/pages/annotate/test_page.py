"""The annotation page's work: what each act does, what it answers, and what it never tells."""

import json
from pathlib import Path

import pytest

from app.markdown.render import Markdown
from app.pages.annotate.page import AnnotatePage
from app.pages.annotate.views import HistoryRow, PairView, deaf_ms
from app.services import Services
from data.errors import ConflictError
from data.records import Annotator, Choice, Role
from tests.app.pages_stage import HOSTILE, stage


def page_of(services: Services) -> AnnotatePage:
    return AnnotatePage(services, Markdown())


async def opened(services: Services) -> tuple[AnnotatePage, Annotator, PairView]:
    """A page with its first pair."""
    page, ann = page_of(services), services.accounts.add("ann", Role.ANNOTATOR)
    lease = None
    while lease is None:
        lease = [item.lease async for item in services.desk.live(ann)][-1]
    return page, ann, await page.act({"do": "next"}, ann)


def judge(view: PairView, pick: str, key: str, **more: object) -> dict[str, object]:
    return {"do": "judge", "token": view["token"], "pick": pick, "key": f"{key:>08}", "ms": 1234, **more}


async def rows(page: AnnotatePage, annotator: Annotator) -> list[HistoryRow]:
    history = await page.history({}, annotator)
    assert history is not None
    return history["rows"]


def words(view: PairView) -> str:
    return view["note"]["words"]


@pytest.mark.parametrize(
    ("pick", "choice", "strength", "note"),
    [
        ("1", Choice.A, 3, "Saved"),
        ("2", Choice.A, 2, "Saved"),
        ("3", Choice.TIE, None, "Saved"),
        ("4", Choice.B, 2, "Saved"),
        ("5", Choice.B, 3, "Saved"),
        ("0", Choice.BOTH_BAD, None, "Saved"),
        ("s", Choice.SKIP, None, "Skipped"),
    ],
)
async def test_a_pick_is_kept_and_undo_brings_it_back(
    tmp_path: Path, pick: str, choice: Choice, strength: int | None, note: str
):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        after = await page.act(judge(view, pick, "k"), ann)
        assert (words(after), after["tone"]) == (note, "ok")
        undone = await services.desk.undo(ann)
        assert undone is not None
        lease, judgment = undone
        assert judgment.strength == strength
        assert (judgment.choice.mirrored if lease.swapped else judgment.choice) is choice
        assert judgment.elapsed_ms == 1234
        await page.act({**judge(view, pick, "k2"), "token": lease.token}, ann)
        again = await page.act({"do": "undo"}, ann)
        assert (again["said"]["pick"], words(again)) == (pick, "Undone. Choose again.")
        assert (again["a"], again["b"]) == (view["a"], view["b"])


async def test_the_same_key_twice_is_one_judgment(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        for _ in range(2):
            after = await page.act(judge(view, "1", "same"), ann)
            assert words(after) == "Saved"
        assert after["done"] == 1


async def test_errors_become_a_note_and_work_goes_on(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        for wrong in (
            {**judge(view, "1", "k"), "token": "no such lease"},
            {**judge(view, "1", "k"), "key": ""},
            {"do": "judge", "pick": "9"},
            {"do": "drop tables"},
            "nonsense",
        ):
            after = await page.act(wrong, ann)
            assert (after["tone"], after["refused"]) == ("warn", True)
            assert words(after)
            assert after["token"] == view["token"]
        assert after["done"] == 0


async def test_another_persons_pair_cannot_be_judged(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, _, view = await opened(services)
        eve = services.accounts.add("eve", Role.ANNOTATOR)
        after = await page.act(judge(view, "1", "k"), eve)
        assert (after["tone"], after["done"]) == ("warn", 0)


async def test_nothing_to_undo_says_so(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        after = await page.act({"do": "undo"}, ann)
        assert (words(after), after["token"]) == ("There is nothing to undo", view["token"])


async def test_a_pair_is_made_while_one_watches(tmp_path: Path):
    async with stage(tmp_path, buffer=0, pause=0.03) as services:
        page, ann = page_of(services), services.accounts.add("ann", Role.ANNOTATOR)
        assert (await page.act({"do": "next"}, ann))["state"] == "live"
        views = [view async for view in page.live("r1", None, ann)]
        assert {view["run"] for view in views} == {"r1"}
        assert [view["state"] for view in views] == ["live"] * (len(views) - 1) + ["pair"]
        assert len(views) > 2
        assert (await page.act({"do": "next"}, ann))["token"] == views[-1]["token"]


async def test_why_there_is_no_pair_is_said(tmp_path: Path):
    async with stage(tmp_path, buffer=0, answers=["same", "same"]) as services:
        page, boss = page_of(services), services.accounts.add("boss", Role.ADMIN)
        for _ in range(61):
            views = [view async for view in page.live("r", None, boss)]
        assert views[-1]["state"] == "wait"
        assert "two identical answers" in views[-1]["trouble"]["words"]
        assert (await page.act({"do": "next"}, boss))["trouble"] == views[-1]["trouble"]
        ann = services.accounts.add("ann", Role.ANNOTATOR)
        assert "Please contact an admin" in (await page.act({"do": "next"}, ann))["trouble"]["words"]


async def test_an_error_while_making_a_pair_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def broken(_: object):
        raise ConflictError("the model is being changed")
        yield

    async with stage(tmp_path, buffer=0) as services:
        page, ann = page_of(services), services.accounts.add("ann", Role.ANNOTATOR)
        monkeypatch.setattr(type(services.desk), "live", lambda self, annotator, prompt: broken(annotator))
        [view] = [view async for view in page.live("r", None, ann)]
        assert (view["state"], view["trouble"]["words"]) == ("wait", "the model is being changed")


async def test_no_view_tells_where_an_answer_is_from(tmp_path: Path):
    async with stage(tmp_path, buffer=0) as services:
        services.store.versions.add("telltale-version", round_id=None, parent="base", sha256="0" * 64)
        services.router.champion = "telltale-version"
        page, ann, view = await opened(services)
        views = [view, await page.act(judge(view, "2", "k"), ann), await page.act({"do": "undo"}, ann)]
        views += [view async for view in page.live("r", None, ann)]
        assert services.store.versions.champion() is not None
        allowed = set(PairView.__annotations__)
        assert all(set(view) <= allowed for view in views)
        assert "telltale" not in json.dumps(views)


async def test_text_of_people_stays_text(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        turns = list(view["turns"])
        for n in range(300):  # which pair comes next is drawn; that of every eighth prompt is meant
            if n >= 12 and any(HOSTILE in turn.get("text", "") for turn in turns):
                break
            view = await page.act(judge(view, "1", str(n)), ann)
            turns += view.get("turns", [])
            if view["state"] != "pair":
                view = [item async for item in page.live("r", None, ann)][-1]
        assert all(("text" in turn) != ("html" in turn) for turn in turns)
        assert all(turn["role"] == "assistant" for turn in turns if "html" in turn)
        assert any(HOSTILE in turn.get("text", "") for turn in turns)


async def test_remarks_and_an_edit_are_kept_and_come_back(tmp_path: Path):
    said = {"reasons_a": ["Correct"], "reasons_b": ["Safer"], "comment": "because", "flag": "unsafe", "edit": "better"}
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        await page.act(judge(view, "1", "k", **said), ann)
        again = await page.act({"do": "undo"}, ann)
        assert again["said"] == {
            "pick": "1",
            "reasons": {"a": ["Correct"], "b": ["Safer"]},
            "comment": "because",
            "flag": "unsafe",
            "edits": {"a": "better", "b": None},
        }


async def test_a_reason_that_is_not_configured_is_refused(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        after = await page.act(judge(view, "1", "k", reasons_a=["Prettier"]), ann)
        assert (after["refused"], after["note"]["values"]) == (True, {"reason": "Prettier"})
        assert after["token"] == view["token"]


async def test_an_earlier_judgment_is_found_in_the_history_and_changed(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        await page.act(judge(view, "2", "k"), ann)
        [row] = await rows(page, ann)
        assert (row["pick"], row["prompt"]) == ("2", view["turns"][-1]["text"][:120])
        changing = await page.act({"do": "change", "judgment": row["id"]}, ann)
        assert (changing["changing"], changing["said"]["pick"]) == (True, "2")
        assert (changing["a"], changing["b"]) == (view["a"], view["b"])
        after = await page.act(judge(changing, "5", "k2"), ann)
        assert after["done"] == 1
        assert [row["pick"] for row in await rows(page, ann)] == ["5"]


async def test_the_history_of_others_is_closed(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        await page.act(judge(view, "2", "k"), ann)
        [row] = await rows(page, ann)
        eve = services.accounts.add("eve", Role.ANNOTATOR)
        assert await rows(page, eve) == []
        for act in ({"do": "change"}, {"do": "continue", "text": "And?"}):
            after = await page.act({**act, "judgment": row["id"]}, eve)
            assert after["refused"]


async def test_a_prompt_of_ones_own_is_answered_live(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, _ = await opened(services)
        view = await page.act({"do": "write", "text": "How do I whistle?"}, ann)
        assert view["state"] == "live"
        views = [view async for view in page.live("r", view["prompt"], ann)]
        assert views[-1]["state"] == "pair"
        assert views[-1]["turns"] == [{"role": "user", "text": "How do I whistle?"}]
        assert (await page.act({"do": "next"}, ann))["token"] == views[-1]["token"]


async def test_a_conversation_goes_on_with_the_better_answer_up_to_its_depth(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, _ = await opened(services)
        view = await page.act({"do": "write", "text": "one"}, ann)
        for turn in ("two", "three", "four"):
            pair = [item async for item in page.live("r", view["prompt"], ann)][-1]
            after = await page.act(judge(pair, "1", turn), ann)
            view = await page.act({"do": "continue", "judgment": after["continues"], "text": turn}, ann)
        pair = [item async for item in page.live("r", view["prompt"], ann)][-1]
        assert [turn.get("text") for turn in pair["turns"][::2]] == ["one", "two", "three", "four"]
        assert all(turn["role"] == "assistant" for turn in pair["turns"][1::2])
        assert "continues" not in await page.act(judge(pair, "1", "last"), ann)


async def test_a_tie_does_not_go_on(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        assert "continues" not in await page.act(judge(view, "3", "k"), ann)


async def test_an_empty_prompt_is_refused_in_words(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        after = await page.act({"do": "write", "text": "  "}, ann)
        assert (after["refused"], after["token"]) == (True, view["token"])


async def test_guidelines_come_once_and_again_when_they_change(tmp_path: Path):
    async with stage(tmp_path) as services:
        page, ann, view = await opened(services)
        assert "</h4>" in view["guide"]["html"]["en"]
        assert {*view["guide"]["html"]} == {"en", "zh"}
        known = view["guide"]["version"]
        assert "guide" not in await page.act({"do": "next", "guide": known}, ann)
        services.store.guidelines.publish("Be kind.")
        assert (await page.act({"do": "next", "guide": known}, ann))["guide"]["version"] == "2"


async def test_differences_of_two_texts_are_marked(tmp_path: Path):
    async with stage(tmp_path) as services:
        marked = await page_of(services).difference({"a": "one two", "b": "one <b>three"})
        assert marked is not None
        assert "&lt;b&gt;" in marked["b"]
        assert "<b>" not in marked["b"]


@pytest.mark.parametrize(
    ("texts", "milliseconds"),
    [
        (("", ""), 400),
        (("yes", "no"), 400),
        (("x" * 20, "x" * 20), 590),
        (("x" * 60, "x" * 60), 1769),
        (("x" * 6000, "x" * 6000), 1769),
    ],
)
def test_the_board_is_deaf_for_as_long_as_the_openings_of_two_answers_take_to_skim(
    texts: tuple[str, str], milliseconds: int
) -> None:
    assert deaf_ms(texts) == milliseconds
    assert deaf_ms(texts, read_before=True) == 400
