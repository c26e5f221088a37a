"""Rounds taken again without somebody: which they are, and that each is what the rest of the judgments make."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from app.rounds.rebuilds import Rebuilds
from app.rounds.runner import RoundRunner
from data.errors import ConflictError, InputError
from data.records import Annotator, Choice, Role, RoundState, Ruling, Split, Without
from data.store import PreferenceStore
from tests.app.admin_api import AdminApi, admin_api
from tests.app.planted import judge_new_pairs
from tests.app.rounds.test_runner import REAL, Start, judge, start, told, toys_are_told_apart  # noqa: F401  # fixtures


@pytest.fixture
def liar(store: PreferenceStore) -> Annotator:
    """Has judged three pairs besides those of `start`, the other way round."""
    judge_new_pairs(store, [Choice.B] * 3, split=Split.TRAIN)
    return store.people.all()[-1]


async def trained(rounds: RoundRunner) -> int:
    created = await rounds.start(None)
    await rounds.wait()
    assert rounds.view(created.id).round.state is RoundState.PROMOTED
    return created.id


async def test_a_round_is_trained_again_without_an_annotator_and_waits(
    start: Start,  # noqa: F811
    store: PreferenceStore,
    liar: Annotator,
) -> None:
    rounds = start(REAL)
    before = await trained(rounds)
    rebuilds = Rebuilds(store, rounds)
    plan = rebuilds.plan([liar.pseudonym], [])
    assert (plan.rounds, plan.without) == ((before,), Without(annotators=(liar.id,)))
    await rebuilds.start(plan, None)
    with pytest.raises(ConflictError, match="being rebuilt already"):
        await rebuilds.start(plan, None)
    await rebuilds.wait()

    again = store.rounds.all()[0]
    assert (again.rebuilds_id, again.state, rebuilds.left, rebuilds.last_error) == (
        before,
        RoundState.WAITING,
        (),
        None,
    )
    assert [again.counts[key] for key in ("train", "judgments", "excluded_without")] == [
        8,
        10,
        3,
    ]  # two judgments found both answers bad
    champion = store.versions.champion()
    assert champion is not None and champion.name == f"round-{before:06d}"
    assert store.decisions.of(f"round-{again.id:06d}")[0].ruling is Ruling.WAIT
    manifest = rounds.manifest(again.id)
    assert manifest is not None and manifest.evaluation is not None
    assert manifest.evaluation.against_champion.rival == f"round-{before:06d}"
    assert rebuilds.plan([liar.pseudonym], []).rounds == ()


@pytest.mark.slow
async def test_it_trains_on_what_a_round_before_the_liar_had_by_the_seed_of_the_round_it_takes_again(
    start: Start,  # noqa: F811
    store: PreferenceStore,
) -> None:
    rounds = start(REAL)
    honest = await trained(rounds)
    judge_new_pairs(store, [Choice.B] * 3, split=Split.TRAIN)
    liar = store.people.all()[-1]
    mixed = await trained(rounds)
    rebuilds = Rebuilds(store, rounds)
    await rebuilds.start(rebuilds.plan([liar.pseudonym], []), None)
    await rebuilds.wait()

    again = store.rounds.all()[0].id
    assert rounds.directory(again).config().seed == rounds.directory(mixed).config().seed
    pairs = [rounds.directory(number).pairs() for number in (honest, again)]
    assert pairs[0] == pairs[1]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as api:
        yield api


class TestThroughTheApi:
    async def test_a_plan_names_rounds_by_judgments_and_by_what_they_began_from(self, api: AdminApi) -> None:
        store = api.store
        judge_new_pairs(store, [Choice.A], split=Split.TRAIN)
        liar = store.people.all()[-1].pseudonym
        numbers = []
        for name, parent in (("round-000001", "base"), ("round-000002", "round-000001"), ("round-000003", "base")):
            if name == "round-000003":
                judge_new_pairs(store, [Choice.A], split=Split.TRAIN)
            created = store.rounds.create(config={}, started_by=None)
            store.rounds.set_state(created.id, RoundState.PROMOTED)
            store.versions.add(name, round_id=created.id, parent=parent, sha256="0" * 64)
            numbers.append(created.id)
        other = store.people.all()[-1].pseudonym
        assert await api.get(f"/rebuilds/plan?annotators={liar}") == {"rounds": numbers}
        assert await api.get(f"/rebuilds/plan?annotators={other}") == {"rounds": numbers[2:]}
        assert liar in (await api.get("/rebuilds"))["annotators"]

    async def test_what_cannot_be_is_explained(self, api: AdminApi) -> None:
        nobody = api.services.accounts.add("idle-ida", Role.ANNOTATOR).pseudonym
        for body, status, words in (
            ({}, 422, "Name an annotator or a source"),
            ({"annotators": ["nobody"]}, 422, "There is no annotator nobody."),
            ({"sources": ["nowhere"]}, 422, "There is no prompt from nowhere."),
            ({"annotators": [nobody]}, 409, "there is nothing to rebuild"),
        ):
            assert words in (await api.post("/rebuilds", body, status=status))["detail"]

    async def test_a_round_of_another_prefloop_ends_it_with_the_reason(self, api: AdminApi) -> None:
        judge_new_pairs(api.store, [Choice.A], split=Split.TRAIN)
        liar = api.store.people.all()[-1].pseudonym
        created = api.store.rounds.create(config={"modle": 1}, started_by=None)
        api.store.rounds.set_state(created.id, RoundState.PROMOTED)
        await api.post("/rebuilds", {"annotators": [liar]}, status=202)
        await api.services.rebuilds.wait()
        assert "another version of prefloop" in (await api.get("/rebuilds"))["trouble"]


async def test_what_nobody_foresaw_ends_it_with_the_reason(
    start: Start,  # noqa: F811
    store: PreferenceStore,
    liar: Annotator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    created = store.rounds.create(config={}, started_by=None)
    store.rounds.set_state(created.id, RoundState.PROMOTED)
    rebuilds = Rebuilds(store, start(REAL))

    def broken(*_: object) -> None:
        raise KeyError("champion")

    monkeypatch.setattr(RoundRunner, "rebuild", broken)
    await rebuilds.start(rebuilds.plan([liar.pseudonym], []), None)
    await rebuilds.wait()
    assert (rebuilds.last_error, rebuilds.left) == ("unexpected: KeyError('champion')", ())


def test_nobody_is_left_out_by_mistake(store: PreferenceStore) -> None:
    rebuilds = Rebuilds(store, cast(RoundRunner, None))
    with pytest.raises(InputError, match="Name an annotator"):
        rebuilds.plan([], [])
    judge(store, 1)
    assert rebuilds.plan([store.people.all()[0].pseudonym], []).rounds == ()
