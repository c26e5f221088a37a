"""The training page, for admins: start a round, watch it, see what serves, go back.

Knows nothing of how its view is made or drawn.
"""

import asyncio
from collections.abc import Awaitable, Callable

import gradio as gr

from app.pages.layout import person
from app.pages.training.view import Overview, View
from app.pages.widgets import training_board
from app.reports.cells import Note, words_of
from app.rounds.algorithms import Algorithm
from app.services import Services
from data.activity.audit import Detail
from data.errors import InputError, PrefloopError
from data.records import Annotator

_REFRESH_SECONDS = 1.0


class RoundsPage:
    """Turns what an admin wants into work, and the state of things into a view."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._overview = Overview(services)

    def build(self) -> gr.Blocks:
        """The page with its component and its events."""
        page = gr.Blocks(title="Training · prefloop", fill_width=True, analytics_enabled=False)
        with page:
            board = training_board()
            timer = gr.Timer(_REFRESH_SECONDS)
            _on(page.load, self.refresh, board)
            _on(timer.tick, self.refresh, board)
            _on(board.train, self._train, board)
            _on(board.cancel, self._cancel, board)
            _on(board.serve, self._serve, board)
        return page

    async def refresh(self) -> View:
        """The state of things."""
        return await asyncio.to_thread(self._overview.view)

    async def train(self, actor: Annotator, algorithm: str) -> Note:
        """Start a round, or let it wait for the one under way.

        Raises InputError for an unknown algorithm, ConflictError with words when none can start.
        """
        if algorithm not in list(Algorithm):
            known = ", ".join(Algorithm)
            raise InputError(
                "There is no algorithm '{algorithm}'. Choose one of {known}.", algorithm=algorithm, known=known
            )
        started = await self._services.triggers.ask(actor, Algorithm(algorithm))
        await self._keep(actor, "start_round", {"algorithm": algorithm})
        if started is None:
            return Note(words="A round will start when the one under way has ended")
        return Note(words="Round {round} has started", values={"round": started.id})

    async def cancel(self, round_id: int, actor: Annotator) -> Note:
        """Cancel a round. Raises ConflictError when it cannot be cancelled any more."""
        await self._services.rounds.cancel(round_id)
        await self._keep(actor, "cancel_round", {"round_id": round_id})
        return Note(words="Round {round} is being cancelled", values={"round": round_id})

    async def serve(self, name: str, actor: Annotator) -> Note:
        """Serve another version. Raises AdapterError, and what serves goes on serving, if it is refused."""
        reason = f"chosen by {actor.pseudonym} on the training page"
        await self._services.registry.promote(name, reason=reason, actor_id=actor.id)
        await self._keep(actor, "promote", {"name": name})
        return Note(words="{version} serves now", values={"version": name})

    async def _keep(self, actor: Annotator, act: str, detail: Detail) -> None:
        """Keep the act, by the name that the API has for it."""
        await asyncio.to_thread(self._services.store.audit.add, actor.id, act, detail)

    async def answer(self, ask: str, work: Awaitable[Note]) -> View:
        """Do the work, then show the state of things with what came of it in words."""
        try:
            note = View(note=await work, tone="ok", answers=ask)
        except PrefloopError as error:
            note = View(note=words_of(error), tone="warn", answers=ask)
        self._overview.forget_preview()
        return await self.refresh() | note

    async def _train(self, event: gr.EventData, request: gr.Request) -> View:
        return await self.answer(str(event.ask), self.train(person(request), str(event.algorithm)))

    async def _cancel(self, event: gr.EventData, request: gr.Request) -> View:
        return await self.answer(str(event.ask), self.cancel(int(event.round), person(request)))

    async def _serve(self, event: gr.EventData, request: gr.Request) -> View:
        return await self.answer(str(event.ask), self.serve(str(event.name), person(request)))


def _on(listen: Callable[..., object], work: Callable[..., object], board: gr.HTML) -> None:
    listen(work, None, board, show_progress="hidden", api_visibility="private", concurrency_limit=None)
