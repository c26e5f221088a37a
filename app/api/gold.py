"""REST for admins: known pairs, made by hand or from consensus. Knows nothing of when they are asked."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.audit import act, audited
from app.api.auth import Admin, AdminOrOwner
from app.api.errors import LARGEST_ID, Body, Id, refusals
from data.activity.audit import AuditAct
from data.annotation.gold import Agreed, GoldPair
from data.annotation.quality_votes import GoldTally
from data.records import Choice, Expectable, Message, Pair
from data.store import PreferenceStore

_LONGEST = 20_000

GoldExplanation = Annotated[str, Field(max_length=2000)]
GoldText = Annotated[str, Field(max_length=_LONGEST)]


class KnownIn(Body):
    """A known pair to make of a pair. choice: in the pair's own a and b; explanation: shown as feedback."""

    pair_id: Annotated[int, Field(ge=1, le=LARGEST_ID)]
    choice: Expectable
    explanation: GoldExplanation = ""


class WrittenIn(Body):
    """A known pair to write: the good answer is expected to win."""

    prompt: GoldText
    good: GoldText
    bad: GoldText
    explanation: GoldExplanation = ""


class GoldPairOut(BaseModel):
    """A conversation and two answers, with what the model reasoned before each, null if it did not."""

    pair_id: int
    messages: tuple[Message, ...]
    a: str
    b: str
    reasoning_a: str | None = None
    reasoning_b: str | None = None
    choice: Choice


class KnownOut(GoldPairOut):
    """A known pair: what is expected, and how people did. made_of: the pair it repeats, if it was not written."""

    explanation: str
    made_of: int | None
    created_at: int
    retired: bool
    right: int
    judged: int


class CandidateOut(GoldPairOut):
    """A pair of which everybody says the same, and how many they are."""

    votes: int


def build_gold_api(store: PreferenceStore) -> APIRouter:
    """The routes of those who make known pairs; to be included for admins only."""
    routes = APIRouter(prefix="/gold", tags=["gold"], responses=refusals(), route_class=audited(store.audit))

    @routes.get("")
    def gold() -> list[KnownOut]:
        """Every known pair, newest first, retired ones among them."""
        tallies = store.quality_votes.tallies()
        return [_known(known, tallies.get(known.pair.id, GoldTally(0, 0))) for known in store.gold.all()]

    @routes.get("/candidates")
    def gold_candidates() -> list[CandidateOut]:
        """Pairs of which several people say the same and nobody anything else, most votes first."""
        return [_candidate(agreed) for agreed in store.gold.candidates()]

    @routes.post("", status_code=201, responses=refusals(404, 409))
    @act(AuditAct.MAKE_GOLD)
    def make_gold(body: KnownIn, me: AdminOrOwner) -> KnownOut:
        """Make a known pair of the same answers as a pair."""
        choice = Choice(body.choice)
        known = store.gold.make(body.pair_id, choice, explanation=body.explanation, made_by=me.id)
        return _known(known, GoldTally(0, 0))

    @routes.post("/written", status_code=201, responses=refusals(409))
    @act(AuditAct.WRITE_GOLD)
    def write_gold(body: WrittenIn, me: Admin) -> KnownOut:
        """Make a known pair of two written answers."""
        known = store.gold.write(body.prompt, body.good, body.bad, explanation=body.explanation, made_by=me.id)
        return _known(known, GoldTally(0, 0))

    @routes.post("/{pair_id}/retire", status_code=204, responses=refusals(404))
    @act(AuditAct.RETIRE_GOLD)
    def retire_gold(pair_id: Id) -> None:
        """Ask a known pair no more; what was said of it still counts."""
        store.gold.retire(pair_id)

    return routes


def _pair(pair: Pair, choice: Choice) -> GoldPairOut:
    return GoldPairOut(
        pair_id=pair.id,
        messages=pair.prompt.messages,
        a=pair.a.text,
        b=pair.b.text,
        reasoning_a=pair.a.reasoning,
        reasoning_b=pair.b.reasoning,
        choice=choice,
    )


def _known(known: GoldPair, tally: GoldTally) -> KnownOut:
    return KnownOut(
        **dict(_pair(known.pair, known.expected.choice)),
        explanation=known.expected.explanation,
        made_of=known.repeats_id,
        created_at=known.created_at,
        retired=known.retired,
        right=tally.right,
        judged=tally.of,
    )


def _candidate(agreed: Agreed) -> CandidateOut:
    return CandidateOut(**dict(_pair(agreed.pair, agreed.choice)), votes=agreed.votes)
