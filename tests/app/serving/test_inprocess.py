import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from app.serving import inprocess
from app.serving.engine import SamplingJob, complete
from app.serving.inprocess import InProcessEngine
from data.errors import AdapterError, InputError, ModelError
from data.records import FinishReason, Message, Sampling
from trainer.model.base import load_base

SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=40)


def ask(text: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": text},)


def job(text: str = "how?", *, version: str = "base", seeds: tuple[int, ...] = (1, 2)) -> SamplingJob:
    return SamplingJob(ask(text), version, seeds, SAMPLING)


async def test_the_last_item_of_a_stream_has_the_completions(engine: InProcessEngine) -> None:
    items = [answers async for answers in engine.stream(job())]

    assert [item.completions is None for item in items[:-1]] == [True] * (len(items) - 1)
    assert items[-1].completions is not None
    assert tuple(c.text for c in items[-1].completions) == items[-1].texts


async def test_a_completion_is_stamped_with_all_that_made_it(engine: InProcessEngine) -> None:
    first, second = await complete(engine, job(seeds=(3, 4)))

    assert (first.version, first.seed, second.seed, first.sampling) == ("base", 3, 4, SAMPLING)
    assert len(first.token_ids) == len(first.logprobs) > 0
    assert first.token_ids != second.token_ids


async def test_a_stream_never_shows_any_of_the_stop_string_that_ends_it(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inprocess, "_FLUSH_SECONDS", 0.0)
    base = load_base(str(model))
    plain = InProcessEngine(base)
    (whole,) = await complete(plain, job(seeds=(5,)))
    plain.close()
    stop = whole.text[len(whole.text) // 2 :][:4]
    engine = InProcessEngine(base.under(base.format.model_copy(update={"stop": (stop,)})))
    items = [answers async for answers in engine.stream(job(seeds=(5,)))]
    engine.close()

    before = whole.text[: whole.text.index(stop)].strip()
    assert all(before.startswith(answers.texts[0]) for answers in items)
    assert items[-1].texts == (before,)
    assert items[-1].completions is not None
    assert items[-1].completions[0].finish_reason is FinishReason.STOP


async def test_the_same_seed_gives_the_same_tokens_in_any_company(
    engine: InProcessEngine, new_version: Callable[[str, int], Path]
) -> None:
    await engine.load("v1", new_version("v1", 1))
    jobs = [job(f"question {i}", version=("base", "v1")[i % 2], seeds=(i, i + 100)) for i in range(12)]

    together = await asyncio.gather(*(complete(engine, one) for one in jobs))
    alone = [await complete(engine, one) for one in jobs]

    assert together == alone


async def test_an_adapter_changes_the_answers(engine: InProcessEngine, new_version: Callable[[str, int], Path]) -> None:
    await engine.load("v1", new_version("v1", 1))

    assert (await complete(engine, job()))[0].token_ids != (await complete(engine, job(version="v1")))[0].token_ids


async def test_a_version_that_is_not_loaded_is_an_error_and_never_the_base(engine: InProcessEngine) -> None:
    with pytest.raises(AdapterError, match="v9 is not loaded"):
        await complete(engine, job(version="v9"))


async def test_a_prompt_without_room_for_its_answer_is_refused_in_words(engine: InProcessEngine) -> None:
    with pytest.raises(InputError, match="tokens"):
        await complete(engine, job("x" * 600))


async def test_a_failure_reaches_those_who_wait_and_the_next_job_works(
    engine: InProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await complete(engine, job())
    with monkeypatch.context() as patch:
        patch.setattr(engine.base.model, "forward", lambda **_: 1 / 0)
        with pytest.raises(ModelError, match="ZeroDivisionError"):
            await complete(engine, job())

    assert await complete(engine, job()) == expected


async def test_a_stream_that_is_given_up_makes_room_for_others(engine: InProcessEngine) -> None:
    async with aclosing(engine.stream(job(seeds=tuple(range(8))))) as stream:
        await anext(stream)

    assert await complete(engine, job(seeds=tuple(range(8))))


async def test_a_version_in_use_is_not_unloaded(
    engine: InProcessEngine, new_version: Callable[[str, int], Path]
) -> None:
    await engine.load("v1", new_version("v1", 1))
    long = SamplingJob(ask("how?"), "v1", (1,), Sampling(temperature=1.0, top_p=1.0, max_new_tokens=400))
    async with aclosing(engine.stream(long)) as stream:
        await anext(stream)
        with pytest.raises(AdapterError, match="in use"):
            await engine.unload("v1")
    await engine.unload("v1")

    with pytest.raises(AdapterError, match="not loaded"):
        await complete(engine, job(version="v1"))


async def test_those_who_leave_before_they_are_answered_stop_nobody_else(
    engine: InProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One leaves while his question is worked on, one while it waits behind that."""
    asked, go = threading.Event(), threading.Event()

    def score(*_: object) -> tuple[float, ...]:
        asked.set()
        assert go.wait(10)
        return (-1.0,)

    monkeypatch.setattr(engine._sampler, "score", score)
    leaving = [asyncio.create_task(engine.score(ask("how?"), (7,), "base")) for _ in range(2)]
    await asyncio.to_thread(asked.wait)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    go.set()
    assert await engine.score(ask("how?"), (7,), "base") == (-1.0,)
    assert await complete(engine, job())


async def test_closing_leaves_nobody_waiting(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = InProcessEngine(load_base(str(model)))
    step, stepping = engine._sampler.step, threading.Event()

    def slow() -> None:
        stepping.set()
        assert engine._closed.wait(10)
        step()

    monkeypatch.setattr(engine._sampler, "step", slow)
    answering = asyncio.create_task(complete(engine, job(seeds=tuple(range(8)))))
    await asyncio.to_thread(stepping.wait)
    scoring = asyncio.create_task(engine.score(ask("how?"), (7,), "base"))
    await asyncio.sleep(0)
    await asyncio.to_thread(engine.close)

    with pytest.raises(ModelError, match="closed"):
        await answering
    assert len(await scoring) == 1
    with pytest.raises(ModelError, match="closed"):
        await complete(engine, job())
