import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.annotation.eval_feeder import Flaw, flaw
from app.annotation.feeder import Feeder
from app.annotation.queue_settings import QueueSettings
from app.serving.engine import Answers, SamplingJob
from data.annotation.strategies import StrategyName
from data.errors import PromptError
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
        (replace(GOOD, text="Fry", finish_reason=FinishReason.LENGTH), None),
        (replace(GOOD, finish_reason=FinishReason.LENGTH), "identical"),
        (replace(GOOD, text="", finish_reason=FinishReason.LENGTH), None),
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


async def test_answers_that_are_always_identical_are_told_and_set_no_prompt_aside(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=0, prompts=2, answers=["Same.", "Same."]) as services:
        feeder = services.feeder
        for _ in range(3):
            assert [draft.pair async for draft in feeder.drafts() if draft.pair] == []

        assert services.store.pairs.ready() == 0
        assert "12 gave two identical answers" in str(feeder.loop.last_error)
        assert (feeder.tries.count, feeder.tries.pairs, feeder.tries.dropped) == (12, 0, {Flaw.IDENTICAL: 12})
        assert not feeder.aside.ids


async def test_a_prompt_that_gave_nothing_has_its_next_turn_after_all_others(tmp_path: Path) -> None:
    async with stage(tmp_path, buffer=0, prompts=4, answers=["Same.", "Same."]) as services:
        asked = []
        for _ in range(8):
            [prompt] = {draft.prompt.id async for draft in services.feeder.drafts()}
            asked.append(prompt)

        assert len({*asked[:4]}) == 4
        assert asked[4:] == asked[:4]


async def test_where_nothing_comes_of_any_prompt_it_is_tried_ever_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a pair that comes after all ends the trouble."""
    async with stage(tmp_path, buffer=0, prompts=4, answers=["Same.", "Same."]) as services:
        feeder, now = services.feeder, [0.0]
        monkeypatch.setattr("app.annotation.feeder.time.monotonic", lambda: now[0])
        waits = []
        for _ in range(12):
            [_ async for _ in feeder.drafts()]
            waits.append(feeder._not_before)
        assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]

        monkeypatch.setattr(services.engine, "_answers", ["One.", "Other."])
        assert [draft.pair async for draft in feeder.drafts() if draft.pair]
        assert (feeder.loop.last_error, feeder._not_before) == (None, 0.0)


async def test_a_prompt_that_can_never_be_asked_is_set_aside_at_once_by_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, buffer=0, prompts=3) as services:
        asked = []

        async def refuses(job: SamplingJob) -> AsyncGenerator[Answers, None]:
            asked.append(job.messages)
            raise PromptError("the template says no", reason="refused by the chat template")
            yield

        monkeypatch.setattr(services.engine, "stream", refuses)
        for _ in range(4):
            assert [draft async for draft in services.feeder.drafts()] == []

        assert len({messages[-1]["content"] for messages in asked}) == len(asked) == 3
        assert services.feeder.aside.by_reason == {"refused by the chat template": 3}
        assert "3 refused by the chat template" in str(services.feeder.loop.last_error)
        assert services.feeder.tries.count == 0


async def test_who_wants_a_prompt_that_can_never_be_asked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, buffer=0) as services:
        prompt = services.store.prompts.next()
        assert prompt is not None

        async def refuses(_: SamplingJob) -> AsyncGenerator[Answers, None]:
            raise PromptError("the template says no", reason="refused by the chat template")
            yield

        monkeypatch.setattr(services.engine, "stream", refuses)
        with pytest.raises(PromptError, match="the template says no"):
            [draft async for draft in services.feeder.drafts(prompt)]
        assert services.feeder.aside.by_reason == {"refused by the chat template": 1}


async def test_a_slow_answer_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first prompt's answers never end; all others give their pairs all the while."""
    async with stage(tmp_path, buffer=12) as services:
        stream, slow, begun = services.engine.stream, services.store.prompts.next(), asyncio.Event()
        assert slow is not None

        async def answers_slowly(job: SamplingJob) -> AsyncGenerator[Answers, None]:
            if job.messages == slow.messages:
                begun.set()
                await asyncio.Event().wait()
            async for answers in stream(job):
                yield answers

        monkeypatch.setattr(services.engine, "stream", answers_slowly)
        await begun.wait()
        await until(lambda: services.store.pairs.ready("base") >= 11)


async def test_no_more_pairs_are_under_way_than_are_missing_or_there_are_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, buffer=9, pause=0.01) as services:
        stream, busy, most = services.engine.stream, 0, 0

        async def counted(job: SamplingJob) -> AsyncGenerator[Answers, None]:
            nonlocal busy, most
            busy, most = busy + 1, max(most, busy + 1)
            async for answers in stream(job):
                yield answers
            busy -= 1

        monkeypatch.setattr(services.engine, "stream", counted)
        await until(lambda: services.feeder.ready >= 9)
        assert most == 4
        assert services.store.pairs.ready("base") == 9


async def test_makers_that_are_slow_do_not_keep_pairs_that_measure_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, buffer=4, queue=QueueSettings(evaluation=0.5)) as services:
        stream = services.engine.stream

        async def never_two(job: SamplingJob) -> AsyncGenerator[Answers, None]:
            if len(job.seeds) == 2:
                await asyncio.Event().wait()
            async for answers in stream(job):
                yield answers

        monkeypatch.setattr(services.engine, "stream", never_two)
        services.store.versions.add("v1", round_id=None, parent="base", sha256="0" * 64)
        services.store.versions.record_serving("v1", ServingAction.PROMOTE, actor_id=None, reason="test")
        services.router.champion = "v1"
        services.feeder.wake()
        await until(lambda: services.store.pairs.ready("v1", purpose=Purpose.EVAL) >= 2)


async def test_rest_begins_when_what_is_under_way_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path, buffer=4) as services:
        stream, gate, waiting = services.engine.stream, asyncio.Event(), 0

        async def gated(job: SamplingJob) -> AsyncGenerator[Answers, None]:
            nonlocal waiting
            waiting += 1
            await gate.wait()
            async for answers in stream(job):
                yield answers

        monkeypatch.setattr(services.engine, "stream", gated)
        await until(lambda: waiting == 4)
        ready = services.store.pairs.ready
        rests = asyncio.create_task(_ready_at_rest(services.feeder, ready))
        await asyncio.sleep(0)
        assert not rests.done()
        gate.set()
        assert await rests >= 1
        assert waiting >= 4


async def _ready_at_rest(feeder: Feeder, ready: Callable[[], int]) -> int:
    """Pairs that are ready when rest begins; none are made while it lasts."""
    async with feeder.resting():
        found = ready()
        feeder.wake()
        for _ in range(50):
            await asyncio.sleep(0)
        assert ready() == found
        return found


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
        services.feeder.wake()
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
        services.feeder.wake()
        await until(lambda: store.pairs.ready("v2") >= 2)
        await until(lambda: services.eval_feeder.last_error is not None)
        assert "v1" in str(services.eval_feeder.last_error)
        assert store.pairs.ready("v2", purpose=Purpose.EVAL) == 0
        assert services.feeder.loop.last_error is None


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
        services.feeder.wake()
        await until(lambda: services.feeder.loop.last_error is not None)
        assert services.feeder.loop.last_error == "unexpected: MemoryError('no room')"
        assert "making pairs" in caplog.text
        broken = False
        services.feeder.wake()
        await until(lambda: services.feeder.loop.last_error is None and ready("base") >= 2)
