"""The page people spend their day on: a prompt, two answers, one choice.

Each act is one call and one view back. Everything a view holds may be seen by annotators, so no model,
version or other origin of an answer goes into one. Knows nothing of how a view is drawn.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import gradio as gr
from pydantic import ValidationError

from app.annotation.blinding import last_error_for, redact_for
from app.annotation.desk import LivePair
from app.annotation.queue_settings import ShownReasoning
from app.markdown.render import Markdown
from app.pages.annotate.acts import ACT, Act, Change, Continue, DifferenceOf, HistoryFrom, Judge, Next, Undo, Write
from app.pages.annotate.difference import difference
from app.pages.annotate.views import (
    EarlierJudgment,
    GuideView,
    HistoryView,
    PairView,
    ThoughtView,
    deaf_ms,
    feedback_of,
    row_of,
    said_of,
    verdict_of,
)
from app.pages.layout import person
from app.pages.widgets import annotation_board
from app.reports.cells import Note, words_of
from app.services import Services
from data.errors import PrefloopError
from data.records import Annotator, Choice, Guideline, Lease, Message, Prompt, Role, Thought

_FRAME_SECONDS = 0.1
_HISTORY_ROWS = 30
_NO_PAIR = Note(words="No pair could be made just now.")
_OUT_OF_DATE = Note(words="The page is out of date: reload it.")


class AnnotatePage:
    """Turns acts of the board into work at the desk, and what the desk gives into views."""

    def __init__(self, services: Services, markdown: Markdown) -> None:
        self._desk = services.desk
        self._feeder = services.feeder
        self._goal = services.settings.goal
        self._markdown = markdown

    def build(self) -> gr.Blocks:
        """The page with its component and its events."""

        async def act(data: object, request: gr.Request) -> PairView:
            return await self.act(data, person(request))

        async def history(data: object, request: gr.Request) -> HistoryView | None:
            return await self.history(data, person(request))

        async def difference(data: object) -> dict[str, str] | None:
            return await self.difference(data)

        page = gr.Blocks(title="prefloop", fill_width=True, analytics_enabled=False)
        with page:
            board = annotation_board(act=act, history=history, difference=difference)
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

    async def act(self, data: object, annotator: Annotator) -> PairView:
        """Do one act, then give the next thing to do. Errors for people become a note in the view."""
        known = ""
        try:
            asked = ACT.validate_python(data)
            known = asked.guide
            answer = await self._do(asked, annotator)
        except ValidationError:
            answer = PairView(note=_OUT_OF_DATE, tone="warn", refused=True)
        except PrefloopError as error:
            answer = PairView(note=words_of(redact_for(error, annotator)), tone="warn", refused=True)
        view, done, guideline = await asyncio.gather(
            self._next(annotator, answer), self._desk.progress(annotator), self._desk.guideline()
        )
        view |= PairView(done=done, goal=self._goal, reasons=list(self._desk.reasons))
        view["person"] = {"login": annotator.login, "admin": annotator.role is Role.ADMIN}
        if guideline is not None and guideline.version != known:
            view["guide"] = self._guide(guideline)
        return view

    async def live(self, run: str, prompt: str | None, annotator: Annotator) -> AsyncIterator[PairView]:
        """Views of a pair while it is made; `run` comes back in each, so that the board knows its own.

        prompt: the digest of the prompt to answer; the next one, if None.
        """
        last = 0.0
        try:
            async with aclosing(self._desk.live(annotator, prompt)) as items:
                async for item in items:
                    if item.lease:
                        yield self._pair(item.lease) | PairView(run=run)
                        return
                    if time.monotonic() - last >= _FRAME_SECONDS:
                        last = time.monotonic()
                        yield self._draft(item) | PairView(run=run)
            trouble = self._trouble(annotator) or _NO_PAIR
        except PrefloopError as error:
            trouble = words_of(redact_for(error, annotator))
        yield PairView(state="wait", trouble=trouble, run=run)

    async def history(self, data: object, annotator: Annotator) -> HistoryView | None:
        """The annotator's own judgments, newest first, a page at a time; None for what no board of ours asks."""
        try:
            before = HistoryFrom.model_validate(data).before
        except ValidationError:
            return None
        entries = await self._desk.history(annotator, before=before, limit=_HISTORY_ROWS)
        rows = [row_of(judgment, pair) for judgment, pair in entries]
        return HistoryView(rows=rows, next=rows[-1]["id"] if len(rows) == _HISTORY_ROWS else None)

    async def difference(self, data: object) -> dict[str, str] | None:
        """Two texts with the words marked that only one of them has, as safe HTML; None as for `history`."""
        try:
            texts = DifferenceOf.model_validate(data)
        except ValidationError:
            return None
        a, b = await asyncio.to_thread(difference, texts.a, texts.b)
        return {"a": a, "b": b}

    async def _live(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[PairView]:
        sent = event._data if isinstance(event._data, dict) else {}  # whatever a caller likes to send
        prompt = None if sent.get("prompt") is None else str(sent["prompt"])
        async for view in self.live(str(sent.get("run")), prompt, person(request)):
            yield view

    async def _do(self, act: Act, annotator: Annotator) -> PairView:
        """What to say of an act, and the pair or the prompt it asks for."""
        view = PairView()
        match act:
            case Judge():
                view = await self._judge(act, annotator)
            case Undo():
                view = await self._undo(annotator)
            case Change(judgment=judgment_id):
                lease, judgment = await self._desk.change(annotator, judgment_id)
                view = self._pair(lease, said_of(judgment)) | PairView(changing=True)
            case Write(text=text):
                view = PairView(state="live", prompt=(await self._desk.write(annotator, text)).sha256)
            case Continue(judgment=judgment_id, text=text):
                prompt = await self._desk.continue_with(annotator, judgment_id, text)
                view = PairView(state="live", prompt=prompt.sha256)
            case Next():
                pass
        return view

    async def _judge(self, act: Judge, annotator: Annotator) -> PairView:
        verdict = verdict_of(act)
        judgment = await self._desk.judge(annotator, act.token, verdict, act.key)
        view = PairView(note=Note(words="Skipped" if verdict.choice is Choice.SKIP else "Saved"), tone="ok")
        if await self._desk.goes_on(judgment):
            view["continues"] = judgment.id
        expected = await self._desk.expected(judgment)
        if expected is not None:
            view["feedback"] = feedback_of(judgment, expected.choice, expected.explanation)
        return view

    async def _undo(self, annotator: Annotator) -> PairView:
        undone = await self._desk.undo(annotator)
        if undone is None:
            return PairView(note=Note(words="There is nothing to undo"), tone="warn")
        lease, judgment = undone
        return self._pair(lease, said_of(judgment)) | PairView(note=Note(words="Undone. Choose again."), tone="ok")

    async def _next(self, annotator: Annotator, answer: PairView) -> PairView:
        """The answer with the pair to judge now, if it has none yet."""
        if "state" in answer:
            return answer
        try:
            lease = await self._desk.next(annotator)
        except PrefloopError as error:
            return answer | PairView(state="wait", trouble=words_of(redact_for(error, annotator)))
        if lease:
            return answer | self._pair(lease)
        trouble = self._trouble(annotator)
        return answer | (PairView(state="live") if trouble is None else PairView(state="wait", trouble=trouble))

    def _trouble(self, annotator: Annotator) -> Note | None:
        trouble = last_error_for(self._feeder.loop.last_error, annotator)
        return None if trouble is None else Note(words=trouble)

    def _guide(self, guideline: Guideline) -> GuideView:
        bodies = {"en": guideline.body, **guideline.translations}
        html = {language: self._markdown.html(body) for language, body in bodies.items()}
        return GuideView(version=guideline.version, html=html)

    def _pair(self, lease: Lease, said: EarlierJudgment | None = None) -> PairView:
        a, b = lease.shown
        view = PairView(state="pair", token=lease.token, turns=self._turns(lease.pair.prompt))
        view |= PairView(a=self._markdown.html(a.text), b=self._markdown.html(b.text), text={"a": a.text, "b": b.text})
        view |= PairView(cut_off_after={"a": a.cut_off_after, "b": b.cut_off_after})
        view |= PairView(deaf_ms=deaf_ms((a.text, b.text), read_before=said is not None))
        view |= self._reasoning(self._desk.thought(a), self._desk.thought(b))
        return view if said is None else view | PairView(said=said)

    def _draft(self, item: LivePair) -> PairView:
        a, b = map(self._markdown.html, item.texts)
        return PairView(state="live", turns=self._turns(item.prompt), a=a, b=b) | self._reasoning(*item.thoughts)

    def _reasoning(self, a: Thought | None, b: Thought | None) -> PairView:
        """What may be seen of the reasoning before two answers; nothing where there is none."""
        if a is None and b is None:
            return PairView()
        shown = {"a": self._thought(a), "b": self._thought(b)}
        return PairView(reasoning=shown, open=self._desk.reasoning is ShownReasoning.OPEN)

    def _thought(self, thought: Thought | None) -> ThoughtView | None:
        if thought is None:
            return None
        return ThoughtView(text=thought.text, html=self._markdown.html(thought.text), tokens=thought.tokens)

    def _turns(self, prompt: Prompt) -> list[dict[str, str]]:
        return [self._turn(message) for message in prompt.messages]

    def _turn(self, message: Message) -> dict[str, str]:
        """What people wrote stays as they wrote it; what models wrote is Markdown."""
        if message["role"] == "assistant":
            return {"role": message["role"], "html": self._markdown.html(message["content"])}
        return {"role": message["role"], "text": message["content"]}
