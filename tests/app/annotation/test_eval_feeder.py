import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.annotation.eval_feeder import EvalFeeder
from app.annotation.queue_settings import QueueSettings
from app.services import Services
from app.serving.engine import Answers, SamplingJob
from data.errors import ModelError, PromptError
from data.records import Choice, FinishReason, Pair, Purpose, Role, Ruling, Sampling, Split, Verdict
from tests.app.canned_version import add_version
from tests.app.pages_stage import stage
from trainer.interface.adapter_files import WEIGHTS

BUFFER = 8


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """v1 serves after the base; v2 and v3 are there."""
    async with stage(tmp_path, buffer=0) as services:
        for name in ("v1", "v2", "v3"):
            add_version(services.store, services.adapter_store, name)
        await services.registry.promote("v1", reason="first")
        yield services


@pytest.fixture
def matches(services: Services) -> EvalFeeder:
    """Wants BUFFER pairs on trial, and two without."""
    return EvalFeeder(
        services.store,
        services.engine,
        services.router,
        sampling=Sampling(),
        queue=QueueSettings(gold=0, reask=0, evaluation=0.25, trial=1),
        buffer=BUFFER,
        source=random.Random(0),
    )


async def fill(matches: EvalFeeder) -> None:
    for _ in range(20):  # some come to nothing, by answers that are alike
        await matches.make()


def waiting(services: Services) -> list[Pair]:
    """The pairs that people may yet be given."""
    rows = services.store._database.rows("select id from pair where purpose = 'eval' and withdrawn_at is null")
    return list(services.store.pairs.by_ids(row["id"] for row in rows).values())


def versions(pair: Pair) -> set[str | None]:
    return {pair.a.version, pair.b.version}


def says(
    services: Services, monkeypatch: pytest.MonkeyPatch, answer: Callable[[SamplingJob], tuple[str, FinishReason]]
) -> None:
    """From now on this is what the engine answers."""
    stream = services.engine.stream

    async def told(job: SamplingJob) -> AsyncGenerator[Answers, None]:
        text, reason = answer(job)
        async for answers in stream(job):
            made = answers.completions
            yield Answers(answers.texts, made and tuple(replace(one, text=text, finish_reason=reason) for one in made))

    monkeypatch.setattr(services.engine, "stream", told)


async def test_on_trial_a_version_meets_the_one_that_serves_on_heldout_prompts_first(
    services: Services, matches: EvalFeeder
) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    await fill(matches)
    pairs = waiting(services)
    assert len(pairs) == BUFFER
    assert all(versions(pair) == {"v1", "v2"} for pair in pairs)
    assert all(pair.prompt.split is Split.HELDOUT for pair in pairs[:5])
    assert {"v1", "v2"} == {pair.a.version for pair in pairs}, "either is as good as a and as b"


async def test_what_serves_meets_the_version_before_it(services: Services, matches: EvalFeeder) -> None:
    await fill(matches)
    assert [versions(pair) for pair in waiting(services)] == [{"base", "v1"}] * 2


async def test_what_was_rolled_back_is_shown_to_nobody(services: Services, matches: EvalFeeder) -> None:
    await services.registry.promote("v2", reason="second")
    await services.registry.roll_back(reason="an admin likes the old one better")
    await fill(matches)
    assert [versions(pair) for pair in waiting(services)] == [{"base", "v1"}] * 2


async def test_without_a_version_to_go_back_to_no_pair_is_made(services: Services, matches: EvalFeeder) -> None:
    await services.registry.promote("base", reason="after all")
    await services.registry.rule("v1", Ruling.RETIRE, reason="old")
    assert not await matches.make()
    assert waiting(services) == []


async def test_pairs_of_a_version_that_was_refused_make_room_for_those_of_the_next(
    services: Services, matches: EvalFeeder
) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    await fill(matches)
    held = services.store.pairs.lease_pair(
        waiting(services)[0].id, services.accounts.add("ann", Role.ANNOTATOR).id, duration_ms=60_000
    )
    await services.registry.rule("v2", Ruling.REFUSE, reason="it is rude")
    await services.registry.put_on_trial("v3", reason="round 3 ended well")
    await fill(matches)
    pairs = waiting(services)
    assert [versions(pair) for pair in pairs if pair.id != held.pair.id] == [{"v1", "v3"}] * BUFFER
    assert held.pair in pairs, "what somebody looks at stays"


async def test_pairs_that_an_earlier_server_left_are_looked_through(services: Services, matches: EvalFeeder) -> None:
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    await fill(matches)
    await services.registry.rule("v2", Ruling.REFUSE, reason="it is rude")
    await services.registry.promote("base", reason="after all")
    await services.registry.rule("v1", Ruling.RETIRE, reason="old")
    matches = EvalFeeder(
        services.store,
        services.engine,
        services.router,
        sampling=Sampling(),
        queue=QueueSettings(),
        buffer=BUFFER,
        source=random.Random(0),
    )
    await matches.make()
    assert waiting(services) == []


async def test_a_prompt_too_long_for_the_model_is_left_out_and_the_others_go_on(
    services: Services, matches: EvalFeeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, too_long = services.engine.stream, services.store.prompts.sample(Split.HELDOUT, 3, 0)

    async def reads(job: SamplingJob) -> AsyncGenerator[Answers, None]:
        if job.messages in [prompt.messages for prompt in too_long]:
            raise PromptError("the prompt leaves no room for an answer", reason="too long")
        async for answers in stream(job):
            yield answers

    monkeypatch.setattr(services.engine, "stream", reads)
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    for _ in range(6):
        await matches.make()
    pairs = waiting(services)
    assert len(pairs) == BUFFER
    assert not {pair.prompt.id for pair in pairs} & {prompt.id for prompt in too_long}
    assert matches.last_error is None


async def test_it_is_told_when_no_prompt_is_left(
    services: Services, matches: EvalFeeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reads_nothing(job: SamplingJob) -> AsyncGenerator[Answers, None]:
        raise PromptError("the prompt leaves no room for an answer", reason="too long")
        yield

    monkeypatch.setattr(services.engine, "stream", reads_nothing)
    for _ in range(60):
        await matches.make()
    assert matches.last_error == "every prompt is set aside: 60 too long; bring others"


async def test_an_engine_that_failed_is_tried_again(
    services: Services, matches: EvalFeeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(job: SamplingJob) -> AsyncGenerator[Answers, None]:
        raise ModelError("out of memory")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(services.engine, "stream", fails)
        assert not await matches.make()
    assert matches.last_error == "out of memory"
    assert await matches.make()
    assert matches.last_error is None


async def test_memory_that_runs_out_in_loading_is_told_and_tried_again(
    services: Services, matches: EvalFeeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    with monkeypatch.context() as patch:
        patch.setattr(services.engine, "load", full)
        assert not await matches.make()
    assert "CUDA out of memory" in str(matches.last_error)
    assert await matches.make()


async def test_a_version_that_cannot_be_served_is_told_and_given_up_until_it_is_tried_anew(
    services: Services, matches: EvalFeeder
) -> None:
    file = services.adapter_store.path("v2") / WEIGHTS
    sound = file.read_bytes()
    file.write_bytes(b"damaged")
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    assert not await matches.make()
    assert "have changed since it was trained" in str(matches.last_error)
    assert "decide on v2 yourself, or restore it and put it on trial again" in str(matches.last_error)
    file.write_bytes(sound)
    assert not await matches.make()
    assert matches.last_error is not None
    await services.registry.put_on_trial("v2", reason="restored")
    assert await matches.make()
    assert matches.last_error is None


@pytest.mark.parametrize(
    ("text", "reason"), [("", FinishReason.STOP), ("On and on and on", FinishReason.LENGTH)], ids=["empty", "cut off"]
)
async def test_a_version_is_measured_by_its_bad_answers_too(
    services: Services, matches: EvalFeeder, monkeypatch: pytest.MonkeyPatch, text: str, reason: FinishReason
) -> None:
    says(services, monkeypatch, lambda job: (text, reason) if job.version == "v2" else ("Well.", FinishReason.STOP))
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    await fill(matches)
    pairs = waiting(services)
    assert len(pairs) == BUFFER
    assert {(one.text, one.finish_reason) for pair in pairs for one in (pair.a, pair.b) if one.version == "v2"} == {
        (text, reason)
    }


async def test_versions_that_always_say_the_same_are_not_compared_and_that_is_told(
    services: Services, matches: EvalFeeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(services, monkeypatch, lambda _: ("Well.", FinishReason.STOP))
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    for _ in range(10):
        assert not await matches.make()
    assert "the same answers" in str(matches.last_error)
    assert waiting(services) == []


async def test_an_empty_answer_is_lent_and_judged_like_any_other(
    services: Services, matches: EvalFeeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(services, monkeypatch, lambda job: ("" if job.version == "v2" else "Well.", FinishReason.STOP))
    await services.registry.put_on_trial("v2", reason="round 2 ended well")
    await fill(matches)
    ann = services.accounts.add("ann", Role.ANNOTATOR)
    lease = services.store.pairs.lease_pair(waiting(services)[0].id, ann.id, duration_ms=60_000)
    assert lease.pair.purpose is Purpose.EVAL
    worse = Choice.B if lease.shown[0].text else Choice.A
    await services.desk.judge(ann, lease.token, Verdict(worse.mirrored), "key")
    match = services.trial.match()
    assert match is not None
    assert [vote.winner for vote in match.votes] == ["v1"]
