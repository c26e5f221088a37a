"""`prefloop status`: what comes of sampling, in words."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.annotation.eval_feeder import Flaw
from data.records import FinishReason, NewCompletion, Sampling
from tests.app.owner import Owner, served


@pytest.fixture
async def owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Owner]:
    async with served(tmp_path, monkeypatch, capsys, prompts=60) as owner:
        yield owner


def answer(tokens: int, reason: FinishReason = FinishReason.STOP) -> NewCompletion:
    return NewCompletion("base", f"{tokens} words", (5,) * tokens, (-0.5,) * tokens, reason, Sampling(), 1)


async def test_status_says_what_comes_of_sampling(owner: Owner) -> None:
    assert owner.services is not None
    tries = owner.services.feeder.tries
    for flaw in (None, Flaw.IDENTICAL, None):
        tries.note(flaw)
    [prompt] = owner.store.prompts.sample(None, 1, 0)
    owner.store.pairs.add(prompt.id, answer(30), answer(128, FinishReason.LENGTH))
    lines = (await owner.did("status")).splitlines()
    assert "3 tries since the server started: 2 pairs, 1 dropped for two identical answers" in lines
    assert "answers: median 79 tokens, 90 % have at most 128; 50% of 2 were cut off" in lines
    assert not any("set aside" in line for line in lines)


async def test_status_names_the_prompts_that_are_set_aside_up_to_fifty(owner: Owner) -> None:
    assert owner.services is not None
    prompts = owner.store.prompts.sample(None, 52, 0)
    for prompt in prompts:
        owner.services.feeder.aside.add(prompt, "longer than the model can read")
    said = await owner.did("status")
    assert "52 prompts are set aside:" in said
    assert f"  prompt {prompts[0].id} (longer than the model can read): " in said
    assert "  and 2 more" in said
    assert said.count("(longer than the model can read)") == 50
