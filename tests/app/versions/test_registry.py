from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.background.webhooks import Event
from app.serving.adapter_store import AdapterStore
from app.serving.router import Router
from app.versions.registry import ModelRegistry, adapter_files
from data.errors import AdapterError, ConflictError, InputError, NotFoundError
from data.records import Ruling, ServingAction
from data.store import PreferenceStore
from data.versions.standing import VersionStatus
from tests.app.told import Told
from trainer.interface.adapter_files import WEIGHTS

NewVersion = Callable[[str, int], Path]


@pytest.fixture
def moves() -> list[str]:
    return []


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def adapters(
    store: PreferenceStore, router: Router, new_version: NewVersion, moves: list[str], told: Told
) -> ModelRegistry:
    """Two versions that have not served."""
    for seed in (1, 2):
        new_version(f"v{seed}", seed)
    return ModelRegistry(store, router, moved=lambda: moves.append(router.champion), publish=told)


def stand(adapters: ModelRegistry) -> dict[str, str]:
    return {view.version.name: view.standing.value for view in adapters.all()}


async def test_a_promotion_is_decided_recorded_and_told(
    adapters: ModelRegistry, store: PreferenceStore, moves: list[str]
) -> None:
    await adapters.promote("v1", reason="won 20 of 30", numbers={"wins": 20})
    assert stand(adapters) == {"base": "served", "v1": "serves", "v2": "unused"}
    [decision] = store.decisions.of("v1")
    assert (decision.ruling, decision.reason, decision.numbers) == (Ruling.PROMOTE, "won 20 of 30", {"wins": 20})
    assert moves == ["v1"]


async def test_going_back_refuses_what_served(adapters: ModelRegistry, store: PreferenceStore, router: Router) -> None:
    await adapters.promote("v1", reason="first")
    await adapters.promote("v2", reason="second")
    assert await adapters.roll_back(reason="people prefer the old one") == "v1"
    assert router.champion == "v1"
    assert stand(adapters) == {"base": "served", "v1": "serves", "v2": "refused"}
    assert store.versions.serving_history()[-1].action is ServingAction.ROLLBACK


async def test_going_back_again_goes_further_back(adapters: ModelRegistry, router: Router) -> None:
    await adapters.promote("v1", reason="first")
    await adapters.promote("v2", reason="second")
    await adapters.roll_back(reason="worse")
    await adapters.roll_back(reason="worse, too")
    assert router.champion == "base"
    with pytest.raises(ConflictError, match="nothing served before base"):
        await adapters.roll_back(reason="and on")


async def test_the_base_can_be_gone_back_to_after_it_was_rolled_back(adapters: ModelRegistry, router: Router) -> None:
    await adapters.promote("v1", reason="first")
    await adapters.promote("base", reason="after all")
    assert await adapters.roll_back(reason="v1 was better") == "v1"
    assert stand(adapters)["base"] == VersionStatus.SERVED
    assert await adapters.roll_back(reason="or not") == "base"
    assert router.champion == "base"
    assert stand(adapters)["v1"] == VersionStatus.REFUSED


async def test_an_older_version_can_be_promoted_and_a_retired_one_cannot(
    adapters: ModelRegistry, router: Router
) -> None:
    await adapters.promote("v1", reason="first")
    await adapters.promote("base", reason="after all")
    assert router.champion == "base"
    await adapters.rule("v1", Ruling.RETIRE, reason="old")
    with pytest.raises(ConflictError, match="v1 is retired"):
        await adapters.promote("v1", reason="again")
    with pytest.raises(ConflictError, match="base serves already"):
        await adapters.promote("base", reason="again")


async def test_a_refused_version_can_be_promoted_by_who_knows_better(adapters: ModelRegistry, router: Router) -> None:
    await adapters.rule("v1", Ruling.REFUSE, reason="too long")
    assert stand(adapters)["v1"] == VersionStatus.REFUSED
    await adapters.promote("v1", reason="long is what we want")
    assert router.champion == "v1"


async def test_what_serves_and_the_base_are_not_put_away(adapters: ModelRegistry) -> None:
    await adapters.promote("v1", reason="first")
    with pytest.raises(ConflictError, match="v1 serves; promote another version first"):
        await adapters.rule("v1", Ruling.RETIRE, reason="old")
    with pytest.raises(ConflictError, match="always there to go back to"):
        await adapters.rule("base", Ruling.RETIRE, reason="old")


async def test_an_unknown_version_is_not_found(adapters: ModelRegistry) -> None:
    for act in (adapters.promote("v9", reason="?"), adapters.rule("v9", Ruling.RETIRE, reason="?")):
        with pytest.raises(NotFoundError, match="v9"):
            await act


def test_an_unknown_version_has_no_files(store: PreferenceStore, adapter_store: AdapterStore) -> None:
    with pytest.raises(NotFoundError, match="v9"):
        adapter_files(store, adapter_store, "v9")


async def test_a_decision_without_a_reason_changes_nothing(adapters: ModelRegistry) -> None:
    with pytest.raises(InputError, match="needs a reason"):
        await adapters.rule("v1", Ruling.RETIRE, reason=" ")
    assert stand(adapters)["v1"] == VersionStatus.UNUSED


@pytest.mark.parametrize("act", ["promote", "roll back"])
async def test_nothing_is_swapped_without_a_reason(adapters: ModelRegistry, router: Router, act: str) -> None:
    await adapters.promote("v1", reason="first")
    with pytest.raises(InputError, match="needs a reason"):
        await (adapters.promote("v2", reason=" ") if act == "promote" else adapters.roll_back(reason=" "))
    assert (router.champion, stand(adapters)["v2"]) == ("v1", VersionStatus.UNUSED)


@pytest.mark.parametrize("act", ["promote", "roll back"])
async def test_a_version_whose_decision_cannot_be_kept_does_not_serve(
    adapters: ModelRegistry, store: PreferenceStore, router: Router, moves: list[str], told: Told, act: str
) -> None:
    await adapters.promote("v1", reason="first")
    before = store.versions.serving_history(), store.decisions.all(), router.champion, [*moves], [*told]
    unfit: Any = {"wins": object()}
    with pytest.raises(TypeError):
        if act == "promote":
            await adapters.promote("v2", reason="second", numbers=unfit)
        else:
            await adapters.roll_back(reason="worse", numbers=unfit)
    assert (store.versions.serving_history(), store.decisions.all(), router.champion, moves, told) == before


async def test_a_damaged_version_is_neither_promoted_nor_handed_out(
    adapters: ModelRegistry, store: PreferenceStore, adapter_store: AdapterStore, router: Router, moves: list[str]
) -> None:
    (adapter_store.path("v1") / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(AdapterError, match="have changed"):
        await adapters.promote("v1", reason="why not")
    with pytest.raises(AdapterError, match="have changed"):
        adapter_files(store, adapter_store, "v1")
    assert (router.champion, moves, stand(adapters)["v1"]) == ("base", [], VersionStatus.UNUSED)


async def test_the_base_has_no_files(
    adapters: ModelRegistry, store: PreferenceStore, adapter_store: AdapterStore
) -> None:
    with pytest.raises(ConflictError, match="no adapter"):
        adapter_files(store, adapter_store, "base")


async def test_who_listens_is_told_what_was_decided(adapters: ModelRegistry, told: Told) -> None:
    await adapters.promote("v1", reason="better")
    await adapters.rule("v2", Ruling.REFUSE, reason="too long")
    await adapters.rule("v2", Ruling.WAIT, reason="not so sure")
    await adapters.roll_back(reason="worse")
    assert told == [
        (Event.VERSION_PROMOTED, {"version": "v1", "reason": "better", "champion": "v1"}),
        (Event.VERSION_REFUSED, {"version": "v2", "reason": "too long", "champion": "v1"}),
        (Event.VERSION_ROLLED_BACK, {"version": "v1", "reason": "worse", "champion": "base"}),
    ]
