"""REST for admins: from an answer back to the choices behind it, from a person forward. Knows nothing of tables."""

import json
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api.errors import LARGEST_ID, Id, refusals
from data.records import Message
from data.store import PreferenceStore
from data.versions.lineage import Touch, TracedCompletion, Used, VersionOrigin

_MOST_USED = 200
SearchText = Annotated[str, Query(min_length=2, max_length=2000)]


class AnswerOut(BaseModel):
    """An answer. version: what sampled it; author: the pseudonym of who wrote it, changing the answer `edits`.

    reasoning: what the model reasoned before it, in so many tokens; null if it did not.

    file: what it was imported from instead, which says that `model` made it.
    """

    id: int
    prompt: list[Message]
    text: str
    version: str | None
    author: str | None
    edits: int | None
    file: str | None
    model: str | None
    created_at: int
    reasoning: str | None = None
    reasoning_tokens: int | None = None


class PageOut(BaseModel):
    """Judgments that a round used; next: the last one's id, to ask for those after it, null at the end."""

    judgments: list[Used]
    next: int | None


def build_lineage_api(store: PreferenceStore) -> APIRouter:
    """The routes under /lineage; to be included for admins only."""
    routes = APIRouter(prefix="/lineage", tags=["lineage"], responses=refusals(404))

    @routes.get("/answers")
    def find_answers(text: SearchText) -> list[AnswerOut]:
        """The newest answers that hold a text, twenty at most."""
        return [answer_out(found) for found in store.lineage.find(text)]

    @routes.get("/answers/{answer_id}")
    def answer(answer_id: Id) -> AnswerOut:
        """An answer with what made it."""
        return answer_out(store.lineage.answer(answer_id))

    @routes.get("/versions/{name}")
    def origins(name: str) -> list[VersionOrigin]:
        """A version and those it comes from, back to the base, each with the round and the people behind it."""
        return store.lineage.origins(name)

    @routes.get("/rounds/{round_id}")
    def used(round_id: Id, after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0) -> PageOut:
        """The judgments that a round used, two hundred at a time."""
        found = store.lineage.used(round_id, after=after, limit=_MOST_USED)
        return PageOut(judgments=found, next=found[-1].judgment_id if len(found) == _MOST_USED else None)

    @routes.get("/annotators/{pseudonym}")
    def touched(pseudonym: str) -> list[Touch]:
        """The rounds that used somebody's judgments, the versions that rest on them, and when these served."""
        return store.lineage.touched(pseudonym)

    return routes


def answer_out(found: TracedCompletion) -> AnswerOut:
    """An answer as the API sends it."""
    return AnswerOut(
        id=found.id,
        prompt=json.loads(found.messages),
        text=found.text,
        version=found.version,
        author=found.author,
        edits=found.edits,
        file=found.file,
        model=found.model,
        created_at=found.created_at,
        reasoning=found.reasoning,
        reasoning_tokens=found.reasoning_tokens,
    )
