"""REST for admins: how much everybody does, and what admins did. Knows nothing of how well."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.api.errors import LARGEST_ID, refusals
from data.activity.people import Activity
from data.store import PreferenceStore

_MOST_ACTS = 1000


class ActOut(BaseModel):
    """What an admin did: the name of the act, and what was said with it.

    by: the pseudonym; null for the command line on a home that no server ran on.
    """

    id: int
    by: str | None
    action: str
    detail: dict[str, str | int | float | bool | None]
    created_at: int


def build_activity_api(store: PreferenceStore) -> APIRouter:
    """The routes of those who want to know what happens; to be included for admins only."""
    routes = APIRouter(tags=["people"], responses=refusals())

    @routes.get("/people/activity")
    def activity() -> list[Activity]:
        """How much everybody has judged, and when they were last there."""
        return store.activities.all()

    @routes.get("/audit")
    def audit(
        limit: Annotated[int, Query(ge=1, le=_MOST_ACTS)] = 100,
        before: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
    ) -> list[ActOut]:
        """What admins did, newest first; the next page is `before` the last one's id."""
        names = store.people.pseudonyms()
        return [
            ActOut(
                id=act.id,
                by=names.get(act.actor_id or 0),
                action=act.action,
                detail=act.detail,
                created_at=act.created_at,
            )
            for act in store.audit.newest(limit, before=before)
        ]

    return routes
