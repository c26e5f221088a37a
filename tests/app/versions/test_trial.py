import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.services import Services
from app.versions.trial import Trial
from data.errors import ConflictError
from data.records import Ruling
from data.versions.sequential_test import Evidence
from data.versions.standing import VersionStatus
from tests.app.canned_version import add_version
from tests.app.pages_stage import stage
from tests.app.planted import contend
from tests.app.until import until
from tests.app.while_promoting import while_promoting
from trainer.interface.adapter_files import WEIGHTS


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """v1 serves after the base; v2 is there."""
    async with stage(tmp_path, buffer=0) as services:
        for name in ("v1", "v2"):
            add_version(services.store, services.adapter_store, name)
        await services.registry.promote("v1", reason="first")
        yield services


def vote(services: Services, wins: int, losses: int, *, of: str = "v2", against: str = "v1") -> None:
    contend(services.store, wins=wins, losses=losses, of=of, against=against)


def standing(services: Services, name: str) -> VersionStatus:
    return {view.version.name: view.standing for view in services.registry.all()}[name]


async def test_a_challenger_that_people_prefer_takes_over(services: Services) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    vote(services, 40, 10)
    [tried] = services.store.decisions.of("v2")
    await services.trial.decide()
    assert services.router.champion == "v2"
    decision = services.store.decisions.of("v2")[-1]
    assert (decision.ruling, decision.reason, decision.actor_id) == (
        Ruling.PROMOTE,
        "it won 40 of 50 votes against v1",
        None,
    )
    found = Evidence(40, 10)
    assert decision.numbers == {
        "against": "v1",
        "since": tried.created_at,
        "wins": 40,
        "losses": 10,
        "undecided": 0,
        "win_rate": 0.8,
        "low": found.interval()[0],
        "high": found.interval()[1],
        "better": found.better,
        "worse": found.worse,
    }


async def test_a_challenger_that_people_find_worse_is_refused(services: Services) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    vote(services, 10, 40)
    await services.trial.decide()
    assert services.router.champion == "v1"
    assert standing(services, "v2") is VersionStatus.REFUSED
    assert services.store.decisions.tried() is None


async def test_few_votes_decide_nothing(services: Services) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    vote(services, 6, 2)
    await services.trial.decide()
    match = services.trial.match()
    assert match is not None
    assert (match.comparison.challenger, match.comparison.champion, match.comparison.trial) == ("v2", "v1", True)
    assert match.evidence == Evidence(6, 2)
    assert standing(services, "v2") is VersionStatus.ON_TRIAL


async def test_votes_from_before_the_trial_do_not_count(services: Services) -> None:
    vote(services, 40, 0)
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    services.store.decisions.add("v2", Ruling.TRY, reason="again")
    match = services.trial.match()
    assert match is not None
    began = services.store.decisions.of("v2")[-1].created_at
    assert all(contest.given_at >= began for contest in match.votes)


async def test_what_serves_and_proves_worse_is_rolled_back(services: Services) -> None:
    vote(services, 10, 40, of="v1", against="base")
    await services.trial.decide()
    assert services.router.champion == "base"
    assert standing(services, "v1") is VersionStatus.REFUSED
    assert services.store.decisions.of("v1")[-1].reason == "it won 10 of 50 votes against base"


async def test_the_base_that_was_rolled_back_is_gone_back_to_on_new_votes_only(services: Services) -> None:
    await services.registry.promote("base", reason="after all")
    vote(services, 10, 40, of="base", against="v1")
    await services.trial.decide()
    assert (services.router.champion, standing(services, "base")) == ("v1", VersionStatus.SERVED)
    await asyncio.sleep(0.002)  # the clock counts milliseconds
    match = services.trial.match()
    assert match is not None
    assert (match.comparison.challenger, match.comparison.champion, match.votes) == ("v1", "base", ())
    await services.trial.decide()
    assert services.router.champion == "v1"
    vote(services, 11, 44, of="v1", against="base")
    await services.trial.decide()
    assert (services.router.champion, standing(services, "v1")) == ("base", VersionStatus.REFUSED)
    assert services.trial.match() is None


async def test_it_stays_if_the_settings_say_so(services: Services) -> None:
    vote(services, 10, 40, of="v1", against="base")
    await Trial(services.store, services.registry, roll_back=False, most_votes=400).decide()
    assert services.router.champion == "v1"


async def test_what_serves_and_proves_better_stays(services: Services) -> None:
    vote(services, 40, 10, of="v1", against="base")
    before = services.store.decisions.all()
    await services.trial.decide()
    assert services.router.champion == "v1"
    assert services.store.decisions.all() == before


async def test_who_is_in_quarantine_decides_nothing(services: Services) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    vote(services, 40, 10)
    [voter] = [person for person in services.store.people.all() if person.login.startswith("voter")]
    services.store.quarantines.begin(voter.id, reason="guesses", made_by=None)
    await services.trial.decide()
    assert services.router.champion == "v1"


async def test_a_winner_that_cannot_be_served_is_left_to_an_admin(services: Services) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    (services.adapter_store.path("v2") / WEIGHTS).write_bytes(b"damaged")
    vote(services, 40, 10)
    await services.trial.decide()
    assert services.router.champion == "v1"
    assert standing(services, "v2") is VersionStatus.WAITS
    assert "have changed since it was trained" in services.store.decisions.of("v2")[-1].reason


async def test_a_newer_challenger_takes_the_older_one_s_place(services: Services) -> None:
    add_version(services.store, services.adapter_store, "v3")
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    await services.registry.put_on_trial("v3", reason="round 3 ended well")
    match = services.trial.match()
    assert match is not None
    assert match.comparison.challenger == "v3"
    assert standing(services, "v2") is VersionStatus.WAITS


async def test_what_cannot_be_done_is_told_and_the_watch_goes_on(services: Services) -> None:
    """Nothing but a damaged version served before, so there is nothing sound to go back to."""
    await services.registry.promote("v2", reason="second")
    (services.adapter_store.path("v1") / WEIGHTS).write_bytes(b"damaged")
    vote(services, 10, 40, of="v2", against="v1")
    watching = asyncio.create_task(services.trial.loop.run())
    await until(lambda: services.trial.loop.last_error is not None)
    assert "v1 is refused: its files have changed" in str(services.trial.loop.last_error)
    assert services.router.champion == "v2"
    assert not watching.done()
    watching.cancel()


async def test_what_was_rolled_back_is_compared_no_more_and_what_serves_is_measured_by_what_is_left(
    services: Services,
) -> None:
    await services.registry.promote("v2", reason="second")
    await services.registry.roll_back(reason="an admin likes the old one better")
    vote(services, 40, 10)
    await services.trial.decide()
    match = services.trial.match()
    assert match is not None
    assert (match.comparison.challenger, match.comparison.champion, match.votes) == ("v1", "base", ())
    assert services.router.champion == "v1"


async def test_there_is_no_match_with_a_version_that_is_put_away(services: Services) -> None:
    await services.registry.promote("base", reason="after all")
    match = services.trial.match()
    assert match is not None and match.comparison.champion == "v1"
    await services.registry.rule("v1", Ruling.RETIRE, reason="old")
    assert services.trial.match() is None


async def test_a_version_that_took_over_meanwhile_does_not_pay_for_the_one_before_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_version(services.store, services.adapter_store, "v3")
    vote(services, 10, 40, of="v1", against="base")
    with pytest.raises(ConflictError, match="has changed in the meantime"):
        await while_promoting(services, monkeypatch, "v3", services.trial.decide())
    assert services.router.champion == "v3"
    assert [decision.ruling for decision in services.store.decisions.of("v3")] == [Ruling.PROMOTE]
    await services.trial.decide()
    assert services.router.champion == "v3"


@pytest.mark.parametrize(("wins", "losses"), [(40, 10), (10, 40)])
async def test_a_trial_is_not_ended_by_votes_against_what_serves_no_more(
    services: Services, monkeypatch: pytest.MonkeyPatch, wins: int, losses: int
) -> None:
    add_version(services.store, services.adapter_store, "v3")
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    vote(services, wins, losses)
    with pytest.raises(ConflictError, match="has changed in the meantime"):
        await while_promoting(services, monkeypatch, "v3", services.trial.decide())
    assert services.router.champion == "v3"
    assert standing(services, "v2") is VersionStatus.ON_TRIAL


async def test_what_an_admin_refused_meanwhile_does_not_take_over(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    vote(services, 40, 10)
    match = services.trial.match()
    await services.registry.rule("v2", Ruling.REFUSE, reason="it is rude")
    monkeypatch.setattr(services.trial, "match", lambda: match)
    with pytest.raises(ConflictError, match="has changed in the meantime"):
        await services.trial.decide()
    assert standing(services, "v2") is VersionStatus.REFUSED


async def test_a_trial_that_many_votes_do_not_settle_is_left_to_an_admin(services: Services) -> None:
    trial = Trial(services.store, services.registry, roll_back=True, most_votes=12)
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    vote(services, 6, 5)
    await trial.decide()
    assert standing(services, "v2") is VersionStatus.ON_TRIAL
    vote(services, 0, 1)
    await trial.decide()
    assert (services.router.champion, standing(services, "v2")) == ("v1", VersionStatus.WAITS)
    decision = services.store.decisions.of("v2")[-1]
    assert (decision.reason, decision.actor_id) == ("not settled after 12 votes; v1 stays", None)
    assert (decision.numbers["wins"], decision.numbers["losses"], decision.numbers["against"]) == (6, 6, "v1")
    assert services.store.decisions.tried() is None


async def test_votes_for_neither_bring_the_end_of_a_trial_nearer(services: Services) -> None:
    trial = Trial(services.store, services.registry, roll_back=True, most_votes=12)
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    contend(services.store, wins=1, losses=1, ties=10, of="v2", against="v1")
    await trial.decide()
    decision = services.store.decisions.of("v2")[-1]
    assert (decision.reason, decision.numbers["undecided"]) == ("not settled after 12 votes; v1 stays", 10)


async def test_what_serves_is_measured_for_as_long_as_it_serves(services: Services) -> None:
    trial = Trial(services.store, services.registry, roll_back=True, most_votes=12)
    vote(services, 6, 6, of="v1", against="base")
    await trial.decide()
    assert services.router.champion == "v1"
    assert trial.match() is not None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("CUDA out of memory"), "CUDA out of memory"),
        (ConflictError("The model makes room for training."), "makes room"),
    ],
)
async def test_a_winner_that_cannot_be_loaded_takes_over_once_it_can(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    vote(services, 40, 10)

    async def full(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(services.engine, "load", full)
        watching = asyncio.create_task(services.trial.loop.run())
        await until(lambda: services.trial.loop.last_error is not None)
    assert words in str(services.trial.loop.last_error)
    assert standing(services, "v2") is VersionStatus.ON_TRIAL
    await until(lambda: services.router.champion == "v2" and not services.trial.loop.last_error)
    watching.cancel()


async def test_a_store_that_cannot_be_read_is_told_and_the_watch_goes_on(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(services.store.quarantines, "in_force", broken)
        watching = asyncio.create_task(services.trial.loop.run())
        await until(lambda: services.trial.loop.last_error is not None)
    assert "the disk is gone" in str(services.trial.loop.last_error)
    await until(lambda: not services.trial.loop.last_error)
    watching.cancel()


async def test_without_another_version_there_is_no_match(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=0) as services:
        assert services.trial.match() is None
        await services.trial.decide()
