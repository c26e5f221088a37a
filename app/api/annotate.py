"""REST, version 1: what annotators do at the desk, for programs.

What is given out is blind: no model, no version, no side, no purpose. Knows nothing of sessions or storage.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.annotation.blinding import last_error_for
from app.annotation.desk import Desk
from app.annotation.feeder import Feeder
from app.api.auth import Caller
from app.api.errors import LARGEST_ID, Id
from data.annotation.completions import LONGEST_WRITTEN
from data.annotation.validate_judgment import LONGEST_COMMENT, LONGEST_REASON, MOST_REASONS
from data.prompts.conversations import spoken
from data.records import Annotator, Choice, Completion, Flag, Judgment, Lease, Message, Pair, Prompt, Remarks, Verdict

LONGEST_PROMPT = 20_000
_PAGE = 50

PromptText = Annotated[str, Field(max_length=LONGEST_PROMPT)]
JudgmentReasons = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)], ...], Field(max_length=MOST_REASONS)
]


class RemarksIn(BaseModel):
    """What is said of a pair besides the choice, in the sides that were shown."""

    model_config = ConfigDict(extra="forbid")
    reasons_a: JudgmentReasons = ()
    reasons_b: JudgmentReasons = ()
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = ""
    flag: Flag | None = None
    edit: Annotated[str, Field(max_length=LONGEST_WRITTEN)] | None = None

    @property
    def remarks(self) -> Remarks:
        """All but the edit, as a record."""
        return Remarks(self.reasons_a, self.reasons_b, self.comment, self.flag)


class JudgmentIn(RemarksIn):
    """A judgment in the sides that were shown. The same key again is the same judgment. edit: the better answer."""

    lease: Annotated[str, Field(max_length=64)]
    key: Annotated[str, Field(min_length=8, max_length=64)]
    choice: Literal["a", "b", "tie", "both_bad", "skip"]
    strength: Annotated[int, Field(ge=1, le=3)] | None = None
    elapsed_ms: Annotated[int, Field(ge=0, le=86_400_000)] | None = None


class PromptIn(BaseModel):
    """What the user says: first, or after a judgment's better answer."""

    model_config = ConfigDict(extra="forbid")
    text: PromptText
    after: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None


class PairOut(BaseModel):
    """A lent pair as an annotator may see it; lease None while none is ready, and trouble says why if it is known.

    reasoning_a, reasoning_b: what the model reasoned before an answer, null if it did not, or where that is hidden;
    reasoning_tokens_a, reasoning_tokens_b: how many tokens that took, null if nobody counted;
    cut_off_after_a, cut_off_after_b: the tokens after which a limit cut an answer off, null where it ended by itself.
    """

    lease: str | None = None
    expires_at: int | None = None
    prompt: tuple[Message, ...] = ()
    a: str = ""
    b: str = ""
    reasoning_a: str | None = None
    reasoning_b: str | None = None
    reasoning_tokens_a: int | None = None
    reasoning_tokens_b: int | None = None
    cut_off_after_a: int | None = None
    cut_off_after_b: int | None = None
    trouble: str | None = None


class SaidOut(BaseModel):
    """What was said of a pair, in the sides that were shown."""

    choice: Choice
    strength: int | None
    remarks: RemarksIn


class PairAgain(PairOut):
    """A pair that comes again, with what had been said of it; both None if there is none."""

    was: SaidOut | None = None


class JudgmentOut(BaseModel):
    """A kept judgment. expected: what a known pair should have been judged, where annotators are told."""

    id: int
    choice: Choice
    expected: Choice | None = None
    explanation: str = ""


class PastJudgment(BaseModel):
    """One of the caller's standing judgments; reasoning, cut_off_after_a and cut_off_after_b as PairOut has them."""

    id: int
    created_at: int
    prompt: tuple[Message, ...]
    a: str
    b: str
    said: SaidOut
    cut_off_after_a: int | None = None
    cut_off_after_b: int | None = None
    reasoning_a: str | None = None
    reasoning_b: str | None = None
    reasoning_tokens_a: int | None = None
    reasoning_tokens_b: int | None = None


class StatsOut(BaseModel):
    """What the caller has done so far; by_choice is in the sides that were shown."""

    judgments: int
    last_day: int
    by_choice: dict[Choice, int]
    median_seconds: float | None


class ShownGuidelineOut(BaseModel):
    """What annotators judge by, as Markdown."""

    version: str | None
    body: str
    translations: dict[str, str]


class DeskInfo(BaseModel):
    """What a judgment may hold."""

    reasons: tuple[str, ...]
    guideline: ShownGuidelineOut


def build_desk_api(desk: Desk, feeder: Feeder) -> APIRouter:
    """The routes of an annotator's work."""
    routes = APIRouter(tags=["annotate"])

    @routes.get("/desk")
    async def info(me: Caller) -> DeskInfo:
        """The reasons a judgment may bear, and the guidelines."""
        newest = await desk.guideline()
        guideline = (
            ShownGuidelineOut(version=None, body="", translations={})
            if newest is None
            else ShownGuidelineOut(version=newest.version, body=newest.body, translations=newest.translations)
        )
        return DeskInfo(reasons=desk.reasons, guideline=guideline)

    @routes.post("/next")
    async def next_pair(me: Caller) -> PairOut:
        """The pair to judge: the one already lent to the caller, or another."""
        lease = await desk.next(me)
        return (
            PairOut(trouble=last_error_for(feeder.loop.last_error, me))
            if lease is None
            else PairOut(**_blind(desk, lease))
        )

    @routes.post("/judgments")
    async def judge(body: JudgmentIn, me: Caller) -> JudgmentOut:
        """Keep a judgment; once answered, it is on disk."""
        verdict = Verdict(Choice(body.choice), body.strength, body.elapsed_ms, body.remarks, body.edit)
        judgment = await desk.judge(me, body.lease, verdict, body.key)
        expected = await desk.expected(judgment)
        if expected is None:
            return JudgmentOut(id=judgment.id, choice=judgment.shown)
        side = expected.choice.mirrored if judgment.swapped else expected.choice
        return JudgmentOut(id=judgment.id, choice=judgment.shown, expected=side, explanation=expected.explanation)

    @routes.get("/judgments")
    async def history(
        me: Caller, before: Annotated[int, Query(ge=1, le=LARGEST_ID)] | None = None
    ) -> list[PastJudgment]:
        """The caller's standing judgments, newest first, up to fifty; `before` an id for older ones."""
        return [_past(desk, *entry) for entry in await desk.history(me, before=before, limit=_PAGE)]

    @routes.post("/judgments/{judgment_id}/change")
    async def change(judgment_id: Id, me: Caller) -> PairAgain:
        """The pair of an earlier judgment again; the earlier one stands until another is given."""
        return _again(desk, *await desk.change(me, judgment_id))

    @routes.post("/undo")
    async def undo(me: Caller) -> PairAgain:
        """Take the last judgment back; its pair comes again, with what had been said."""
        undone = await desk.undo(me)
        return PairAgain() if undone is None else _again(desk, *undone)

    @routes.post("/prompts", status_code=201)
    async def write(body: PromptIn, me: Caller) -> PairOut:
        """Two answers to what the caller says, first or after a judgment's better answer; takes as long as they do."""
        prompt = await _said_by_caller(desk, body, me)
        lease = None
        async for item in desk.live(me, prompt.sha256):
            lease = item.lease
        return (
            PairOut(trouble=last_error_for(feeder.loop.last_error, me))
            if lease is None
            else PairOut(**_blind(desk, lease))
        )

    @routes.get("/stats")
    async def stats(me: Caller) -> StatsOut:
        """What the caller has done so far."""
        own = await desk.stats(me)
        return StatsOut(
            judgments=own.judgments,
            last_day=own.last_day,
            by_choice=own.by_choice,
            median_seconds=own.median_seconds,
        )

    return routes


async def _said_by_caller(desk: Desk, body: PromptIn, me: Annotator) -> Prompt:
    return await (desk.write(me, body.text) if body.after is None else desk.continue_with(me, body.after, body.text))


def _blind(desk: Desk, lease: Lease) -> dict[str, Any]:
    """A lent pair as an annotator may see it."""
    return {
        "lease": lease.token,
        "expires_at": lease.expires_at,
        "prompt": spoken(lease.pair.prompt.messages),
        **_answers(desk, *lease.shown),
    }


def _answers(desk: Desk, a: Completion, b: Completion) -> dict[str, Any]:
    """Two answers in the sides that are shown, where each was cut off, and what may be seen of their reasoning."""
    shown: dict[str, Any] = {"a": a.text, "b": b.text}
    for side, completion in (("a", a), ("b", b)):
        shown[f"cut_off_after_{side}"] = completion.cut_off_after
        if (thought := desk.thought(completion)) is not None:
            shown |= {f"reasoning_{side}": thought.text, f"reasoning_tokens_{side}": thought.tokens}
    return shown


def _said(judgment: Judgment) -> SaidOut:
    remarks = judgment.remarks.mirrored if judgment.swapped else judgment.remarks
    return SaidOut(
        choice=judgment.shown,
        strength=judgment.strength,
        remarks=RemarksIn(
            reasons_a=remarks.reasons_a,
            reasons_b=remarks.reasons_b,
            comment=remarks.comment,
            flag=remarks.flag,
            edit=judgment.edit,
        ),
    )


def _again(desk: Desk, lease: Lease, judgment: Judgment) -> PairAgain:
    return PairAgain(**_blind(desk, lease), was=_said(judgment))


def _past(desk: Desk, judgment: Judgment, pair: Pair) -> PastJudgment:
    a, b = (pair.b, pair.a) if judgment.swapped else (pair.a, pair.b)
    return PastJudgment(
        id=judgment.id,
        created_at=judgment.created_at,
        prompt=spoken(pair.prompt.messages),
        said=_said(judgment),
        **_answers(desk, a, b),
    )
