"""What serving does while a round trains, over a real engine and a real feeder."""

import asyncio
import fcntl
import random
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from app.annotation.eval_feeder import EvalFeeder
from app.annotation.feeder import Feeder
from app.annotation.queue_settings import QueueSettings
from app.rounds.gpu_sharing import GpuSharing
from app.rounds.serve_during_training import ServeDuringTraining
from app.serving.engine import SamplingJob, complete
from app.serving.inprocess import InProcessEngine
from app.serving.router import Router
from data.errors import ConflictError, RoundError
from data.records import Choice, Role, Sampling, Verdict
from data.store import PreferenceStore
from tests.app.until import until
from tests.trainer.scene import ask, freeze
from trainer.interface.round_dir import RoundDir
from trainer.model.base import load_base
from trainer.preflight.model_check import check_training

SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=12)
JOB = SamplingJob(ask("how?"), "base", (1, 2), SAMPLING)
BUFFER = 3


@pytest.fixture
async def engine(model: Path) -> AsyncIterator[InProcessEngine]:
    """Its answers end soon: every second token is an end."""
    base = load_base(str(model))
    engine = InProcessEngine(replace(base, eos_ids=frozenset(range(1, 300, 2))))
    yield engine
    engine.close()


@pytest.fixture
def directory(engine: InProcessEngine, tmp_path: Path) -> RoundDir:
    return freeze(tmp_path / "round", engine.base)


@pytest.fixture
async def feeder(store: PreferenceStore, engine: InProcessEngine, router: Router) -> AsyncIterator[Feeder]:
    """At work on a few prompts."""
    store.prompts.add([[*ask(f"question {i}")] for i in range(40)], source="test")
    queue = QueueSettings(overlap=0.0)  # a pair for several people stays ready when one has it
    source = random.Random(0)
    matches = EvalFeeder(store, engine, router, sampling=SAMPLING, queue=queue, buffer=BUFFER, source=source)
    feeder = Feeder(
        store,
        engine,
        router,
        sampling=SAMPLING,
        buffer=BUFFER,
        workers=1,
        queue=queue,
        eval_feeder=matches,
        source=source,
    )
    working = asyncio.create_task(feeder.run())
    yield feeder
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


Share = Callable[[ServeDuringTraining], GpuSharing]


@pytest.fixture
def share(engine: InProcessEngine, feeder: Feeder) -> Share:
    activations = check_training(engine.base, rank=4).activations
    return lambda mode: GpuSharing(mode, engine, feeder, engine.base, activations)


@pytest.mark.parametrize("mode", ServeDuringTraining)
async def test_serving_is_as_before_when_training_has_ended(
    share: Share, directory: RoundDir, engine: InProcessEngine, mode: ServeDuringTraining
) -> None:
    before = await complete(engine, JOB)
    async with share(mode).training(directory):
        pass
    assert await complete(engine, JOB) == before


async def test_the_model_goes_on_answering_if_it_is_kept(
    share: Share, directory: RoundDir, engine: InProcessEngine
) -> None:
    async with share(ServeDuringTraining.KEEP).training(directory):
        assert await complete(engine, JOB)


@pytest.mark.parametrize("mode", [ServeDuringTraining.BUFFER, ServeDuringTraining.OFFLOAD])
async def test_the_buffer_is_full_before_training_and_not_filled_meanwhile(
    share: Share, directory: RoundDir, store: PreferenceStore, mode: ServeDuringTraining
) -> None:
    annotator = store.people.add("ann", Role.ANNOTATOR)
    async with share(mode).training(directory):
        full = store.pairs.ready("base")
        assert full >= BUFFER
        assert store.pairs.lease(annotator.id, duration_ms=60_000, version="base") is not None
        await asyncio.sleep(0.3)
        assert store.pairs.ready("base") == full - 1
    await until(lambda: store.pairs.ready("base") >= BUFFER)


@pytest.mark.parametrize("mode", ServeDuringTraining)
async def test_people_go_on_judging_while_a_round_trains(
    share: Share, directory: RoundDir, store: PreferenceStore, feeder: Feeder, mode: ServeDuringTraining
) -> None:
    annotator = store.people.add("ann", Role.ANNOTATOR)
    await feeder.fill(30)
    async with share(mode).training(directory):
        for number in range(BUFFER):
            lease = store.pairs.lease(annotator.id, duration_ms=60_000, version="base")
            assert lease is not None
            store.judgments.record(annotator.id, lease.token, Verdict(Choice.A, 2), idempotency_key=str(number))
    assert store.judgments.progress(annotator.id) == BUFFER


async def test_who_finds_nothing_ready_is_still_answered_from_the_buffer_mode(
    share: Share, directory: RoundDir, feeder: Feeder
) -> None:
    async with share(ServeDuringTraining.BUFFER).training(directory):
        drafts = [draft async for draft in feeder.drafts()]
    assert drafts[-1].pair is not None


async def test_an_offloaded_model_says_in_words_why_it_does_not_answer(
    share: Share, directory: RoundDir, feeder: Feeder, engine: InProcessEngine
) -> None:
    async with share(ServeDuringTraining.OFFLOAD).training(directory):
        with pytest.raises(ConflictError, match="makes room for training and answers again when that has ended"):
            await complete(engine, JOB)
        with pytest.raises(ConflictError, match="Pairs that lie ready can be judged"):
            [_ async for _ in feeder.drafts()]


async def test_an_offloaded_model_comes_back_with_its_adapters(
    share: Share, directory: RoundDir, engine: InProcessEngine, new_version: Callable[[str, int], Path]
) -> None:
    await engine.load("v1", new_version("v1", 1))
    job = SamplingJob(JOB.messages, "v1", JOB.seeds, SAMPLING)
    before = await complete(engine, job)
    async with share(ServeDuringTraining.OFFLOAD).training(directory):
        pass
    assert await complete(engine, job) == before != await complete(engine, JOB)


async def test_answers_under_way_end_before_the_model_leaves(engine: InProcessEngine) -> None:
    answering = asyncio.create_task(complete(engine, JOB))
    await asyncio.sleep(0)
    await engine.offload()
    assert len(await answering) == 2
    await engine.reload()


@pytest.mark.parametrize("mode", ServeDuringTraining)
async def test_a_round_that_an_earlier_server_s_trainer_has_needs_no_more_memory(
    share: Share, directory: RoundDir, monkeypatch: pytest.MonkeyPatch, mode: ServeDuringTraining
) -> None:
    monkeypatch.setattr("app.rounds.gpu_sharing.free_bytes", lambda _: 2**28)
    with directory.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with share(mode).training(directory):
            pass
    with pytest.raises(RoundError, match="training needs"):
        async with share(mode).training(directory):
            pytest.fail("nothing may train")


@pytest.mark.parametrize("mode", ServeDuringTraining)
async def test_a_round_for_which_there_is_no_memory_is_explained_and_serving_goes_on(
    share: Share,
    directory: RoundDir,
    engine: InProcessEngine,
    monkeypatch: pytest.MonkeyPatch,
    mode: ServeDuringTraining,
) -> None:
    monkeypatch.setattr("app.rounds.gpu_sharing.free_bytes", lambda _: 2**28)
    with pytest.raises(RoundError) as refused:
        async with share(mode).training(directory):
            pytest.fail("nothing may train")
    words = str(refused.value)
    assert "training needs about 0.5 GiB (weights 0 MiB" in words and "0.2 GiB are free" in words
    assert ('serve_during_training = "offload"' in words) is (mode is not ServeDuringTraining.OFFLOAD)
    assert await complete(engine, JOB)
