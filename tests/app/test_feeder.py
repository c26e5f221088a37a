import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import QueueSettings
from app.matches import flaw
from data.records import (
    Choice,
    FinishReason,
    NewCompletion,
    Purpose,
    Role,
    Sampling,
    ServingAction,
    Split,
    Verdict,
)
from data.strategies import StrategyName
from tests.app.pages_stage import stage
from tests.app.until import until

GOOD = NewCompletion("base", "Boil it.", (7, 2), (-0.1, -0.1), FinishReason.STOP, Sampling(), 1)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(GOOD, text="Fry it."), None),
        (replace(GOOD, seed=2), "identical"),
        (replace(GOOD, text="Boil  it.\n"), "identical"),
        (replace(GOOD, text=""), "empty"),
        (replace(GOOD, text="Fry", finish_reason=FinishReason.LENGTH), "cut off"),
    ],
)
def test_pairs_that_teach_nothing_are_told_apart(other: NewCompletion, reason: str | None) -> None:
    for pair in ((GOOD, other), (other, GOOD)):
        found = flaw(*pair)
        assert found is None if reason is None else reason in str(found)


async def test_a_draft_tells_how_far_it_is_and_ends_with_the_stored_pair(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=0) as services:
        drafts = [draft async for draft in services.feeder.drafts()]

        assert [draft.pair is None for draft in drafts[:-1]] == [True] * (len(drafts) - 1)
        assert drafts[-1].pair is not None
        assert services.store.pairs.by_id(drafts[-1].pair.id).a.text == drafts[-1].texts[0]


async def test_answers_that_are_always_identical_set_the_prompts_aside_and_say_so(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=0, prompts=2, answers=["Same.", "Same."]) as services:
        for _ in range(3):
            assert [draft.pair async for draft in services.feeder.drafts() if draft.pair] == []

        assert services.store.pairs.ready() == 0
        assert services.feeder.trouble is not None
        assert "2 for two identical answers" in services.feeder.trouble


async def test_the_buffer_is_filled_with_pairs_of_the_champion(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=6) as services:
        await until(lambda: services.feeder.ready >= 6)

        assert services.store.pairs.ready("base") >= 6


@pytest.mark.parametrize("share", [0.0, 1.0])
async def test_a_share_of_the_pairs_wants_two_opinions(tmp_path: Path, share: float) -> None:
    async with stage(tmp_path, buffer=0, queue=QueueSettings(overlap=share)) as services:
        [pair] = [draft.pair async for draft in services.feeder.drafts() if draft.pair]

        assert pair.target_judgments == 1 + share


async def test_one_who_judges_alone_does_not_run_dry_of_pairs_that_wait_for_another(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=2, queue=QueueSettings(overlap=1.0)) as services:
        ann = services.accounts.add("ann", Role.ANNOTATOR)
        async with asyncio.timeout(60):
            for number in range(6):
                while (lease := await services.desk.next(ann)) is None:
                    await asyncio.sleep(0.01)
                await services.desk.judge(ann, lease.token, Verdict(Choice.TIE), f"key {number}")

        assert services.store.judgments.count() == 6


async def test_a_margin_is_measured_where_pairs_are_chosen_by_it(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=0, queue=QueueSettings(strategy=StrategyName.UNCERTAINTY)) as services:
        services.store.versions.add("v1", round_id=None, parent="base", sha256="0" * 64)
        for version, known in (("base", False), ("v1", True)):
            services.router.champion = version
            [pair] = [draft.pair async for draft in services.feeder.drafts() if draft.pair]
            [row] = services.store._database.rows("select margin from pair where id = ?", [pair.id])
            assert (row["margin"] is not None) is known
        # the canned engine's log-probs are the same for all answers, so their margins are 0
        assert row["margin"] == 0.0


async def test_the_champion_is_measured_against_the_version_before_it(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=4, queue=QueueSettings(evaluation=0.5)) as services:
        store = services.store
        assert store.pairs.ready("base", purpose=Purpose.EVAL) == 0
        store.versions.add("v1", round_id=None, parent="base", sha256="0" * 64)
        store.versions.record_serving("v1", ServingAction.PROMOTE, actor_id=None, reason="test")
        services.router.champion = "v1"
        services.feeder.poke()
        await until(lambda: store.pairs.ready("v1", purpose=Purpose.EVAL) >= 2)
        rows = store._database.rows("select id from pair where purpose = 'eval'")
        pairs = store.pairs.by_ids(row["id"] for row in rows)
        assert all({pair.a.version, pair.b.version} == {"base", "v1"} for pair in pairs.values())
        assert all(pair.prompt.split is Split.HELDOUT for pair in pairs.values())


async def test_a_version_before_that_cannot_be_served_stops_nobody_and_is_told(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=2, queue=QueueSettings(evaluation=1.0, gold=0, reask=0)) as services:
        store = services.store
        for name in ("v1", "v2"):
            store.versions.add(name, round_id=None, parent="base", sha256="0" * 64)
            store.versions.record_serving(name, ServingAction.PROMOTE, actor_id=None, reason="test")
        services.router.champion = "v2"  # v1 has no files
        services.feeder.poke()
        await until(lambda: store.pairs.ready("v2") >= 2)
        await until(lambda: services.matches.trouble is not None)
        assert "v1" in services.matches.trouble
        assert store.pairs.ready("v2", purpose=Purpose.EVAL) == 0
        assert services.feeder.trouble is None


async def test_an_error_that_nobody_foresaw_is_told_and_pairs_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage(tmp_path, buffer=2) as services:
        ready, broken = services.store.pairs.ready, True

        def once_broken(version: str | None = None) -> int:
            if broken:
                raise MemoryError("no room")
            return ready(version)

        monkeypatch.setattr(services.store.pairs, "ready", once_broken)
        services.feeder.poke()
        await until(lambda: services.feeder.trouble is not None)
        assert services.feeder.trouble == "unexpected: MemoryError('no room')"
        assert "pairs were made" in caplog.text
        broken = False
        services.feeder.poke()
        await until(lambda: services.feeder.trouble is None)
        assert ready("base") >= 2
