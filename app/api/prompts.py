"""REST for admins: the prompts that answers are sampled to. Knows nothing of who answers them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.audit import act, audited
from app.api.auth import Admin
from app.api.errors import LARGEST_ID, Body, Id, refusals
from data.activity.audit import AuditAct
from data.exchange.read_prompts import prompts_in
from data.prompts.catalogue import CataloguePrompt, PromptQuery, SourceCount
from data.records import Split
from data.store import PreferenceStore

_MOST_LINES = 200
_LONGEST_FILE = 20_000_000
_LONGEST_PROMPT = 100_000


class FileIn(Body):
    """A file of prompts, as its name and its text; the name's ending says how it is read (docs/formats.md)."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(max_length=_LONGEST_FILE)]


class PromptEditIn(Body):
    """What the user says last, in place of what a prompt has."""

    text: Annotated[str, Field(min_length=1, max_length=_LONGEST_PROMPT)]


class PromptsAddedOut(BaseModel):
    """What came of a file: prompts that are new, and those that were there before."""

    added: int
    known: int


class EditedOut(BaseModel):
    """The prompt that has taken the other's place."""

    id: int


def build_prompts_api(store: PreferenceStore, *, moved: Callable[[], None]) -> APIRouter:
    """The routes of those who look after the prompts; to be included for admins only. moved: called after a change."""
    routes = APIRouter(prefix="/prompts", tags=["prompts"], responses=refusals())
    changing = APIRouter(route_class=audited(store.audit))

    @routes.get("/list")
    def list_prompts(
        words: Annotated[str, Query(max_length=200)] = "",
        split: Split | None = None,
        source: Annotated[str | None, Query(max_length=200)] = None,
        retired: bool | None = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_LINES)] = 50,
        before: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
    ) -> list[CataloguePrompt]:
        """The newest prompts that fit, newest first; the next page is `before` the last one's id."""
        query = PromptQuery(words=words, split=split, source=source, retired=retired)
        return store.catalogue.page(query, limit=limit, before=before)

    @routes.get("/sources")
    def list_sources() -> list[SourceCount]:
        """Where the prompts came from, and how they are split."""
        return store.catalogue.sources()

    @changing.post("/file", status_code=201)
    @act(AuditAct.ADD_PROMPTS)
    async def add_prompts(body: FileIn) -> PromptsAddedOut:
        """Add the prompts of a file, all of them or, after an error, none."""
        added, known = await asyncio.to_thread(_add, store, Path(body.name).name, body.text)
        moved()
        return PromptsAddedOut(added=added, known=known)

    @changing.post("/{prompt_id}/edit", status_code=201, responses=refusals(404))
    @act(AuditAct.EDIT_PROMPT)
    async def edit_prompt(prompt_id: Id, body: PromptEditIn, me: Admin) -> EditedOut:
        """Put another prompt in this one's place; this one is retired."""
        edited = await asyncio.to_thread(store.prompts.edit, prompt_id, body.text, me.id)
        moved()
        return EditedOut(id=edited.id)

    @changing.post("/{prompt_id}/retire", status_code=204, responses=refusals(404))
    @act(AuditAct.RETIRE_PROMPT)
    async def retire_prompt(prompt_id: Id) -> None:
        """Sample a prompt no more, and offer none of its pairs that nobody has judged."""
        await asyncio.to_thread(store.prompts.retire, prompt_id)
        moved()

    routes.include_router(changing)
    return routes


def _add(store: PreferenceStore, name: str, text: str) -> tuple[int, int]:
    return store.prompts.add(prompts_in(text, Path(name)), source=name)
