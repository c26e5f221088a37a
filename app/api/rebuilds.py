"""REST for admins: take rounds again without somebody's judgments. Knows nothing of how that is done."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from app.api.audit import act, audited
from app.api.auth import Admin
from app.rounds.rebuilds import Plan, Rebuilds
from data.activity.audit import AuditAct
from data.store import PreferenceStore

Names = Annotated[list[str], Query()]


class WithoutIn(BaseModel):
    """What to leave out: annotators by pseudonym, prompts by their source."""

    model_config = ConfigDict(extra="forbid")
    annotators: list[str] = []
    sources: list[str] = []


class PlanOut(BaseModel):
    """The rounds to be taken again, oldest first."""

    rounds: list[int]


class RebuildsOut(BaseModel):
    """What can be left out, the rounds still to be taken again, and why the last one could not be."""

    annotators: list[str]
    sources: list[str]
    left: list[int]
    trouble: str | None


def build_rebuilds_api(store: PreferenceStore, rebuilds: Rebuilds) -> APIRouter:
    """The routes under /rebuilds; to be included for admins only."""
    routes = APIRouter(prefix="/rebuilds", tags=["rounds"], route_class=audited(store.audit))

    @routes.get("")
    def under_way() -> RebuildsOut:
        """What can be left out, and what is under way."""
        return RebuildsOut(
            annotators=list(store.people.pseudonyms().values()),
            sources=[source.source for source in store.catalogue.sources()],
            left=list(rebuilds.left),
            trouble=rebuilds.last_error,
        )

    @routes.get("/plan")
    def plan_rebuild(annotators: Names = [], sources: Names = []) -> PlanOut:  # noqa: B006  # as FastAPI has it
        """Which rounds would be taken again; nothing is started."""
        return _plan(rebuilds.plan(annotators, sources))

    @routes.post("", status_code=202)
    @act(AuditAct.REBUILD_ROUNDS)
    async def rebuild_rounds(me: Admin, body: WithoutIn) -> PlanOut:
        """Take them again, one after the other, as new versions that wait for an admin."""
        plan = rebuilds.plan(body.annotators, body.sources)
        await rebuilds.start(plan, me)
        return _plan(plan)

    return routes


def _plan(plan: Plan) -> PlanOut:
    return PlanOut(rounds=list(plan.rounds))
