"""REST for admins: what people's votes say of versions. Knows nothing of what is decided by it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.annotation.eval_feeder import EvalFeeder
from app.api.errors import LARGEST_ID, refusals
from app.versions.trial import Trial, TrialState
from data.store import PreferenceStore
from data.versions.bradley_terry import RankedVersion, ranking
from data.versions.sequential_test import THRESHOLD, Evidence, SequentialOutcome, course
from data.versions.versions import BASE

VersionQuery = Annotated[str, Query(max_length=64)]
Since = Annotated[int, Query(ge=0, le=LARGEST_ID, description="ms since the Unix epoch")]

_MOST_POINTS = 300


class PointOut(BaseModel):
    """The votes up to one: the challenger's share of those that named a winner, with the 95 % confidence sequence."""

    votes: int
    win_rate: float
    low: float
    high: float


class MatchOut(BaseModel):
    """A challenger against a champion. better, worse: e-values; either settles it at `threshold`.

    trial: whether it decides who serves; if not, the challenger is the version that serves. since: from when on votes
    count, in ms since the Unix epoch. undecided: votes for neither. most_votes: a trial that so many votes, of all
    kinds, have not settled ends without a winner. trouble: why no pairs of the two can be made. course: the evidence
    after the votes, thinned out.
    """

    challenger: str
    champion: str
    trial: bool
    since: int
    most_votes: int | None
    trouble: str | None
    wins: int
    losses: int
    undecided: int
    win_rate: float | None
    low: float
    high: float
    better: float
    worse: float
    threshold: float
    outcome: SequentialOutcome
    course: list[PointOut]


class VoteOut(BaseModel):
    """A vote between two versions' answers. winner: null for a tie or two bad answers.

    annotator: the pseudonym of whoever gave it; at: when he first judged the pair, in ms since the Unix epoch.
    """

    judgment: int
    pair: int
    challenger: str
    champion: str
    winner: str | None
    annotator: str
    at: int


def build_trial_api(store: PreferenceStore, trial: Trial, matches: EvalFeeder) -> APIRouter:
    """The routes of those who want to know what people prefer; to be included for admins only."""
    routes = APIRouter(tags=["adapters"], responses=refusals())

    @routes.get("/trial")
    def running_match() -> MatchOut | None:
        """The match that runs: the version on trial, else the one that serves, against another; null without any."""
        match = trial.match()
        return None if match is None else _match(match, trial.most_votes, matches.last_error)

    @routes.get("/trial/votes", responses=refusals(404))
    def votes_between_two(challenger: VersionQuery, champion: VersionQuery, since: Since = 0) -> list[VoteOut]:
        """The votes that may count between two versions, oldest first, from a moment on.

        With the `since` of the match that runs they are what its evidence is computed from; with that of a decision by
        votes, what it rests on and what was voted after it.
        """
        for name in (challenger, champion):
            store.versions.by_name(name)
        return _votes(store, challenger, champion, since=since)

    @routes.get("/ladder")
    def all_versions_ranked() -> list[RankedVersion]:
        """All versions that were voted on, strongest first, in Elo points above the base."""
        return list(ranking(store.comparisons.results(), BASE))

    return routes


def _match(match: TrialState, most_votes: int, trouble: str | None) -> MatchOut:
    found = match.evidence
    low, high = found.interval()
    return MatchOut(
        challenger=match.comparison.challenger,
        champion=match.comparison.champion,
        trial=match.comparison.trial,
        since=match.comparison.since,
        most_votes=most_votes if match.comparison.trial else None,
        trouble=trouble,
        wins=found.wins,
        losses=found.losses,
        undecided=len(match.votes) - found.votes,
        win_rate=found.win_rate,
        low=low,
        high=high,
        better=found.better,
        worse=found.worse,
        threshold=THRESHOLD,
        outcome=found.outcome,
        course=_course(match),
    )


def _votes(store: PreferenceStore, challenger: str, champion: str, *, since: int) -> list[VoteOut]:
    names = store.people.pseudonyms()
    votes = []
    for contest in store.comparisons.between(challenger, champion, since=since):
        judgment = store.judgments.by_id(contest.judgment_id)
        votes.append(
            VoteOut(
                judgment=judgment.id,
                pair=judgment.pair_id,
                challenger=challenger,
                champion=champion,
                winner=contest.winner,
                annotator=names[judgment.annotator_id],
                at=contest.given_at,
            )
        )
    return votes


def _course(match: TrialState) -> list[PointOut]:
    """The last point is always there."""
    points = course(vote.winner == match.comparison.challenger for vote in match.votes if vote.winner is not None)
    stride = max(1, -(-len(points) // _MOST_POINTS))
    return [_point(evidence) for evidence in points[::-stride][::-1]]


def _point(evidence: Evidence) -> PointOut:
    low, high = evidence.interval()
    return PointOut(votes=evidence.votes, win_rate=evidence.wins / evidence.votes, low=low, high=high)
