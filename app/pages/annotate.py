"""The page people spend their day on: a prompt, two answers, one choice.

Each act is one call and one view back. Everything a view holds may be seen by annotators, so no model,
version or other origin of an answer goes into one. Knows nothing of how a view is drawn.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Literal, TypedDict

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.desk import LivePair
from app.pages.layout import person
from app.pages.markdown import Markdown
from app.pages.widgets import annotation_board
from app.services import Services
from data.errors import InputError, PrefloopError
from data.records import Annotator, Choice, Judgment, Lease, Prompt, Role, Verdict

_FRAME_SECONDS = 0.1
_VERDICTS = {
    "1": (Choice.A, 3),
    "2": (Choice.A, 2),
    "3": (Choice.TIE, None),
    "4": (Choice.B, 2),
    "5": (Choice.B, 3),
    "0": (Choice.BOTH_BAD, None),
    "s": (Choice.SKIP, None),
}
_PICKS = {verdict: pick for pick, verdict in _VERDICTS.items()}
_NO_PAIR = "No pair could be made just now."


class View(TypedDict, total=False):
    """What the board draws. state: pair (to judge), live (being written), wait (`trouble` says why).

    turns hold `text` or, for answers, safe `html`; `a` and `b` are safe HTML.
    """

    state: Literal["pair", "live", "wait"]
    run: str
    token: str
    turns: list[dict[str, str]]
    a: str
    b: str
    picked: str
    note: str
    tone: Literal["ok", "warn"]
    trouble: str
    done: int
    goal: int
    person: dict[str, str | bool]


class Act(BaseModel):
    """What the board sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    do: Literal["next", "judge", "undo"]
    token: Annotated[str, Field(max_length=128)] = ""
    pick: Literal["1", "2", "3", "4", "5", "0", "s"] = "s"
    key: Annotated[str, Field(max_length=64)] = ""
    ms: Annotated[int, Field(ge=0, le=2**53)] = 0


class AnnotatePage:
    """Turns acts of the board into work at the desk, and what the desk gives into views."""

    def __init__(self, services: Services, markdown: Markdown) -> None:
        self._desk = services.desk
        self._feeder = services.feeder
        self._goal = services.settings.goal
        self._markdown = markdown

    def build(self, guidelines: str) -> gr.Blocks:
        """The page with its component and its events. guidelines: Markdown."""

        async def act(data: object, request: gr.Request) -> View:
            return await self.act(data, person(request))

        page = gr.Blocks(title="prefloop", fill_width=True, analytics_enabled=False)
        with page:
            board = annotation_board(act, guidelines=self._markdown.html(guidelines))
            board.live(
                self._live,
                None,
                board,
                show_progress="hidden",
                api_visibility="private",
                concurrency_limit=None,
                trigger_mode="multiple",
            )
        return page

    async def act(self, data: object, annotator: Annotator) -> View:
        """Do one act, then give the next thing to do. Errors for people become a note in the view."""
        try:
            answer = await self._do(Act.model_validate(data), annotator)
        except ValidationError:
            answer = View(note="The page is out of date: reload it.", tone="warn")
        except PrefloopError as error:
            answer = View(note=str(error), tone="warn")
        view, done = await asyncio.gather(self._next(annotator, answer), self._desk.progress(annotator))
        who: dict[str, str | bool] = {"login": annotator.login, "admin": annotator.role is Role.ADMIN}
        return view | View(done=done, goal=self._goal, person=who)

    async def live(self, run: str, annotator: Annotator) -> AsyncIterator[View]:
        """Views of a pair while it is made; `run` comes back in each, so that the board knows its own."""
        last = 0.0
        try:
            async with aclosing(self._desk.live(annotator)) as items:
                async for item in items:
                    if item.lease:
                        yield self._pair(item.lease) | View(run=run)
                        return
                    if time.monotonic() - last >= _FRAME_SECONDS:
                        last = time.monotonic()
                        yield self._draft(item) | View(run=run)
            trouble = self._feeder.trouble or _NO_PAIR
        except PrefloopError as error:
            trouble = str(error)
        yield View(state="wait", trouble=trouble, run=run)

    async def _live(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[View]:
        async for view in self.live(str(event.run), person(request)):
            yield view

    async def _do(self, act: Act, annotator: Annotator) -> View:
        """What to say of an act; an undo also gives the pair it brings back."""
        if act.do == "judge":
            choice, strength = _VERDICTS[act.pick]
            if not (act.token and act.key):
                raise InputError("The choice came without its pair and was not kept. Judge this one.")
            await self._desk.judge(annotator, act.token, Verdict(choice, strength, act.ms), act.key)
            return View(note="Skipped" if choice is Choice.SKIP else "Saved", tone="ok")
        if act.do == "undo":
            undone = await self._desk.undo(annotator)
            if undone is None:
                return View(note="There is nothing to undo", tone="warn")
            return self._pair(undone[0]) | View(picked=_pick(*undone), note="Undone: judge again", tone="ok")
        return View()

    async def _next(self, annotator: Annotator, answer: View) -> View:
        """The answer with the pair to judge now, if it has none yet."""
        if "state" in answer:
            return answer
        try:
            lease = await self._desk.next(annotator)
        except PrefloopError as error:
            return View(state="wait", trouble=str(error))
        if lease:
            return answer | self._pair(lease)
        if self._feeder.trouble:
            return answer | View(state="wait", trouble=self._feeder.trouble)
        return answer | View(state="live")

    def _pair(self, lease: Lease) -> View:
        a, b = (self._markdown.html(completion.text) for completion in lease.shown)
        return View(state="pair", token=lease.token, turns=self._turns(lease.pair.prompt), a=a, b=b)

    def _draft(self, item: LivePair) -> View:
        a, b = map(self._markdown.html, item.texts)
        return View(state="live", turns=self._turns(item.prompt), a=a, b=b)

    def _turns(self, prompt: Prompt) -> list[dict[str, str]]:
        """What people wrote stays as they wrote it; what models wrote is Markdown."""
        return [
            {"role": turn["role"], "html": self._markdown.html(turn["content"])}
            if turn["role"] == "assistant"
            else {"role": turn["role"], "text": turn["content"]}
            for turn in prompt.messages
        ]


def _pick(lease: Lease, judgment: Judgment) -> str:
    """The button of a retracted judgment, on the sides its lease shows."""
    choice = judgment.choice.mirrored if lease.swapped else judgment.choice
    strength = {1: 2}.get(judgment.strength or 0, judgment.strength)
    return _PICKS.get((choice, strength), "")
