"""REST for admins: how well people judge, whose judgments stay out of rounds, and what they flagged.

Knows nothing of how quality is measured.
"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.annotation.quality_cache import Quality, QualityCache
from app.api.audit import act, audited
from app.api.auth import AdminOrOwner
from app.api.errors import Body, Id, refusals
from app.api.quality_schema import (
    QualityOut,
    QuarantinedOut,
    RoundUse,
    annotator_out,
    length_out,
    measured,
    quarantine_out,
    span_out,
)
from data.activity.audit import AuditAct
from data.records import Flag, Message
from data.store import PreferenceStore

_MOST_FLAGS = 1000
_MOST_DAYS = 36_500


class ReasonIn(Body):
    """Reason (kept in the audit log)."""

    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class FlagOut(BaseModel):
    """What an annotator flagged. retired: whether the prompt is sampled no more."""

    judgment_id: int
    pair_id: int
    prompt_id: int
    pseudonym: str
    flag: Flag
    comment: str
    messages: tuple[Message, ...]
    retired: bool
    created_at: int


def build_quality_api(store: PreferenceStore, examiner: QualityCache) -> APIRouter:
    """The routes of those who look after quality; to be included for admins only."""
    routes = APIRouter(tags=["quality"], responses=refusals(), route_class=audited(store.audit))
    _add_report(routes, store, examiner)
    _add_quarantine(routes, store)
    _add_flags(routes, store)
    return routes


def _add_report(routes: APIRouter, store: PreferenceStore, examiner: QualityCache) -> None:
    @routes.get("/quality")
    async def quality(days: Annotated[int | None, Query(ge=1, le=_MOST_DAYS)] = None) -> QualityOut:
        """The measures of all and of each person who has judged; of the last days, or of all time."""
        return await asyncio.to_thread(_quality_out, store, await examiner.quality(days))


def _add_quarantine(routes: APIRouter, store: PreferenceStore) -> None:
    @routes.post("/people/{person_id}/quarantine", status_code=201, responses=refusals(404, 409))
    @act(AuditAct.QUARANTINE)
    def quarantine(person_id: Id, body: ReasonIn, me: AdminOrOwner) -> QuarantinedOut:
        """Leave somebody's judgments out of rounds from now on; rounds that were given them are named."""
        begun = store.quarantines.begin(person_id, reason=body.reason, made_by=me.id)
        return QuarantinedOut(quarantine=quarantine_out(begun, me.pseudonym), rounds=_rounds(store, person_id))

    @routes.post("/people/{person_id}/quarantine/lift", status_code=204, responses=refusals(404, 409))
    @act(AuditAct.LIFT_QUARANTINE)
    def lift_quarantine(person_id: Id, me: AdminOrOwner) -> None:
        """Let all of somebody's judgments count again."""
        store.quarantines.lift(person_id, lifted_by=me.id)


def _add_flags(routes: APIRouter, store: PreferenceStore) -> None:
    @routes.get("/flags")
    def flags(limit: Annotated[int, Query(ge=1, le=_MOST_FLAGS)] = 100) -> list[FlagOut]:
        """What annotators flagged and have not taken back, newest first."""
        names = store.people.pseudonyms()
        return [
            FlagOut(
                judgment_id=flagged.judgment_id,
                pair_id=flagged.pair_id,
                prompt_id=flagged.prompt_id,
                pseudonym=names[flagged.annotator_id],
                flag=flagged.flag,
                comment=flagged.comment,
                messages=flagged.messages,
                retired=flagged.retired,
                created_at=flagged.created_at,
            )
            for flagged in store.flags.newest(limit)
        ]


def _quality_out(store: PreferenceStore, quality: Quality) -> QualityOut:
    report = quality.report
    people = {person.id: person for person in store.people.all()}
    quarantines = {
        one.annotator_id: quarantine_out(one, people[one.made_by].pseudonym if one.made_by else None)
        for one in store.quarantines.in_force()
    }
    return QualityOut(
        judgments=report.judgments,
        items=report.items,
        shared=report.shared,
        waiting=store.pairs.half_judged(),
        agreement=report.agreement,
        fleiss=report.fleiss,
        alpha=report.alpha,
        left=measured(report.left),
        length=length_out(report.length),
        course=[span_out(span) for span in quality.course],
        annotators=[
            annotator_out(
                people[own.annotator_id],
                own,
                findings=report.findings_on(own.annotator_id),
                quarantine=quarantines.get(own.annotator_id),
                rounds=_rounds(store, own.annotator_id),
            )
            for own in report.annotators
        ],
    )


def _rounds(store: PreferenceStore, person_id: int) -> list[RoundUse]:
    used = store.quarantines.rounds_of(person_id)
    return [RoundUse(round=number, judgments=judgments) for number, judgments in used.items()]
