"""What a round's evaluation is worth once another version serves than the one it compares with."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.services import Services
from app.versions.limits import Limits
from app.versions.promotion import Promotion, PromotionPolicy
from data.errors import ConflictError
from data.records import RoundState, Ruling
from tests.app.canned_version import add_version
from tests.app.pages_stage import stage
from tests.app.while_promoting import while_promoting
from tests.models import EVALUATION, compared
from trainer.interface.manifest import Agreement, Evaluation, Interval, RivalScores

EVALUATED = EVALUATION.model_copy(update={"against_champion": compared("v1")})
Keeper = Callable[..., PromotionPolicy]


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """v1 serves; v2 is there, and v3, which a round compared with v1."""
    async with stage(tmp_path, buffer=0) as services:
        for name in ("v1", "v2", "v3"):
            add_version(services.store, services.adapter_store, name)
        await services.registry.promote("v1", reason="first")
        yield services


@pytest.fixture
def keeper(services: Services) -> Keeper:
    def make(promotion: Promotion = Promotion.GATE, limits: Limits | None = None) -> PromotionPolicy:
        return PromotionPolicy(services.registry, services.router, promotion=promotion, limits=limits or Limits())

    return make


async def test_a_version_compared_with_what_serves_takes_over(services: Services, keeper: Keeper) -> None:
    assert await keeper().decide("v3", 3, EVALUATED) == (RoundState.PROMOTED, None)
    assert services.router.champion == "v3"
    assert services.store.decisions.of("v3")[-1].reason == "round 3 passed all checks"


async def test_a_version_compared_with_what_serves_no_more_waits_for_an_admin(
    services: Services, keeper: Keeper
) -> None:
    await services.registry.promote("v2", reason="an admin knows")
    words = "round 3 passed all checks, compared with v1; but v2 serves by now"
    assert await keeper().decide("v3", 3, EVALUATED) == (RoundState.WAITING, words)
    assert services.router.champion == "v2"
    decision = services.store.decisions.of("v3")[-1]
    assert (decision.ruling, decision.reason) == (Ruling.WAIT, words)


async def test_a_version_compared_with_what_was_rolled_back_waits_for_an_admin(
    services: Services, keeper: Keeper
) -> None:
    await services.registry.roll_back(reason="worse")
    state, reason = await keeper().decide("v3", 3, EVALUATED)
    assert (state, services.router.champion) == (RoundState.WAITING, "base")
    assert reason is not None and reason.endswith("compared with v1; but base serves by now")


async def test_what_comes_to_serve_while_the_promotion_waits_for_its_turn_counts(
    services: Services, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    deciding = keeper().decide("v3", 3, EVALUATED)
    state, _ = await while_promoting(services, monkeypatch, "v2", deciding)
    assert state is RoundState.WAITING
    assert services.router.champion == "v2"


async def test_on_trial_it_is_compared_with_what_serves_by_now(services: Services, keeper: Keeper) -> None:
    await services.registry.promote("v2", reason="an admin knows")
    assert await keeper(Promotion.TRIAL).decide("v3", 3, EVALUATED) == (RoundState.WAITING, None)
    decision = services.store.decisions.of("v3")[-1]
    assert decision.ruling is Ruling.TRY
    assert decision.reason.endswith("compared with v1; but v2 serves by now")
    match = services.trial.match()
    assert match is not None
    assert (match.comparison.challenger, match.comparison.champion) == ("v3", "v2")


async def test_an_admin_who_decides_is_told_what_it_was_compared_with(services: Services, keeper: Keeper) -> None:
    await services.registry.promote("v2", reason="an admin knows")
    await keeper(Promotion.BY_HAND).decide("v3", 3, EVALUATED)
    decision = services.store.decisions.of("v3")[-1]
    assert (decision.ruling, decision.reason.endswith("but v2 serves by now")) == (Ruling.WAIT, True)


async def test_what_broke_a_limit_is_refused_whatever_serves_by_now(services: Services, keeper: Keeper) -> None:
    await services.registry.promote("v2", reason="an admin knows")
    state, reason = await keeper(limits=Limits(longer=0.05)).decide("v3", 3, EVALUATED)
    assert (state, reason) == (
        RoundState.REFUSED,
        "its answers are 10% longer than those of v1; at most 5% are allowed",
    )


async def test_a_refusal_keeps_each_number_by_the_rival_it_is_against(services: Services, keeper: Keeper) -> None:
    await keeper(limits=Limits(accuracy=0.9, margin=6.0, longer=0.05)).decide("v3", 3, EVALUATED)
    assert services.store.decisions.of("v3")[-1].numbers == pytest.approx(
        {
            "accuracy against v1": 0.89,
            "margin against v1": 5.0,
            "accuracy against base": 0.89,
            "margin against base": 5.0,
            "longer": 0.1,
        }
    )


async def test_an_engine_that_makes_room_for_training_is_no_reason_to_wait_for_an_admin(
    services: Services, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def offloaded(*_: object) -> None:
        raise ConflictError("The model makes room for training.")

    monkeypatch.setattr(services.engine, "load", offloaded)
    with pytest.raises(ConflictError, match="makes room"):
        await keeper().decide("v3", 3, EVALUATED)


def like(against: RivalScores, **changes: object) -> Evaluation:
    return EVALUATED.model_copy(update={"against_champion": against.model_copy(update=changes)})


NOTHING_NEW = compared("v1").kl.model_copy(update={"mean": 0.014, "seeds": 0.09})
SURELY_NEW = compared("v1").kl.model_copy(update={"seeds": 2.5})
HOLDS_0 = like(
    compared("v1"),
    margin=Interval(low=-0.31, high=0.42),
    heldout=compared("v1").heldout.model_copy(update={"pairs": 7, "margin": 0.02}),
)
WITHOUT_PAIRS: dict[str, object] = {"heldout": Agreement(pairs=0), "accuracy": None, "margin": None}


async def test_a_version_that_held_out_pairs_do_not_tell_from_what_serves_waits(
    services: Services, keeper: Keeper
) -> None:
    words = (
        "it cannot be told from v1: on 7 held-out pairs its margin is +0.02 nats, and the 95 % interval (-0.31 to "
        "+0.42) holds 0"
    )
    assert await keeper().decide("v3", 3, HOLDS_0) == (RoundState.WAITING, words)
    assert services.router.champion == "v1"
    decision = services.store.decisions.of("v3")[-1]
    assert (decision.ruling, decision.reason) == (Ruling.WAIT, words)


@pytest.mark.parametrize("promotion", Promotion)
async def test_a_version_whose_answers_are_those_of_what_serves_waits_whatever_the_settings_say(
    services: Services, keeper: Keeper, promotion: Promotion
) -> None:
    state, reason = await keeper(promotion).decide("v3", 3, like(compared("v1"), kl=NOTHING_NEW))
    assert (state, services.router.champion) == (RoundState.WAITING, "v1")
    assert reason == (
        "it cannot be told from v1: its answers are 0.01 nats an answer from those of v1 (KL), where two seeds of one "
        "version make up to 0.09"
    )
    assert services.store.decisions.of("v3")[-1].ruling is Ruling.WAIT


async def test_on_trial_people_tell_what_few_pairs_do_not(services: Services, keeper: Keeper) -> None:
    state, _ = await keeper(Promotion.TRIAL).decide("v3", 3, HOLDS_0)
    decision = services.store.decisions.of("v3")[-1]
    assert (state, decision.ruling) == (RoundState.WAITING, Ruling.TRY)
    assert "its margin is +0.02 nats" in decision.reason


async def test_without_held_out_pairs_the_answers_decide_and_the_reason_says_so(
    services: Services, keeper: Keeper
) -> None:
    assert await keeper().decide("v3", 3, like(compared("v1"), kl=SURELY_NEW, **WITHOUT_PAIRS)) == (
        RoundState.PROMOTED,
        None,
    )
    assert services.store.decisions.of("v3")[-1].reason == (
        "round 3 passed all checks; 0 held-out pairs are too few to compare, so that its answers alone "
        "decide: they are 8.00 nats an answer from those of v1 (KL), where two seeds of one version make up to 2.50"
    )


async def test_without_held_out_pairs_answers_that_are_the_same_wait(services: Services, keeper: Keeper) -> None:
    state, reason = await keeper().decide("v3", 3, like(compared("v1"), kl=NOTHING_NEW, **WITHOUT_PAIRS))
    assert (state, services.router.champion) == (RoundState.WAITING, "v1")
    assert reason is not None and reason.startswith("it cannot be told from v1")
