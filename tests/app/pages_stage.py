"""The whole application over a canned engine: everything real but the model."""

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.annotation.queue_settings import QueueSettings
from app.home import Home
from app.rounds.planner import Planner
from app.rounds.training_settings import TrainingSettings
from app.services import ServiceParts, Services, wire
from app.serving.adapter_store import AdapterStore
from app.serving.engine import BASE, Answers, SamplingJob
from app.settings.settings import Settings
from app.startup import publish_guidelines
from app.web.server import create_app
from data.barring.reading_speed import SKIMMING
from data.records import FinishReason, Message, NewCompletion, Role
from data.store import PreferenceStore
from trainer.interface.config import RoundConfig
from trainer.interface.manifest import Canary
from trainer.model.base import Base
from trainer.prompting.reasoning import KNOWN, Answer, ReasoningFormat

HOSTILE = (
    "<script>window.hacked=1</script> <img src=x onerror='window.hacked=1'> "
    "[go](javascript:window.hacked=1) ![p](http://evil.example/p.png) [in](http://evil.example/) "
    "${window.hacked=1} {{7*7}}"
)
ANSWERS = (
    "Sunlight looks white, but it is **all the colours mixed together**.\n\n1. Blue light has short waves and "
    "bounces a lot.\n2. Red light has long waves and goes straight.\n\nSo wherever you look, some *blue* reaches you.",
    "The sky is blue because of Rayleigh scattering.\n\n"
    "```python\nscatter = lambda wl: 1 / wl**4\n```\n\nThat is why `blue` wins.",
    "Here is one way:\n\n| Step | What |\n|---|---|\n| 1 | Rank the rows |\n| 2 | Keep the first three |",
    "Certainly! There are many factors to consider. In conclusion, it depends.",
)
_NUMBERS = itertools.count()
PROMPTS: tuple[list[Message], ...] = (
    [{"role": "user", "content": "Explain to a ten-year-old why the sky is blue."}],
    [
        {"role": "system", "content": "You are a patient teacher."},
        {"role": "user", "content": "What is a prime number?"},
        {"role": "assistant", "content": "A number with **exactly two** divisors."},
        {"role": "user", "content": "So is 1 prime?\nI was told both."},
    ],
    [{"role": "user", "content": f"Say this: {HOSTILE}"}],
    [{"role": "user", "content": "用一句话解释什么是量子纠缠。"}],
    [{"role": "user", "content": "اشرح لي لماذا السماء زرقاء."}],
)


TRAINING_ALONE = QueueSettings(overlap=0, gold=0, reask=0, evaluation=0)
"""Every pair is given once, to train on."""


THINK = ReasoningFormat(next(markers for markers in KNOWN if markers.open == "<think>"))


class CannedEngine:
    """Answers from a list, piece by piece; what one has in <think> is its reasoning."""

    def __init__(self, answers: Sequence[str] = ANSWERS, *, pause: float = 0.0) -> None:
        self._answers = answers
        self._pause = pause

    @property
    def way(self) -> str:
        """See Engine.way."""
        return "canned, without a model"

    async def stream(self, job: SamplingJob) -> AsyncGenerator[Answers, None]:
        full = random.Random(job.seeds[0]).sample(self._answers, len(job.seeds))
        words = max(len(text.split(" ")) for text in full)
        for n in range(0, words, 4):
            yield _said([read(" ".join(text.split(" ")[:n]), whole=False) for text in full])
            await asyncio.sleep(self._pause)
        said = _said([read(text) for text in full])
        made = (_completion(text, job, seed) for text, seed in zip(full, job.seeds, strict=True))
        yield replace(said, completions=tuple(made))

    async def load(self, version: str, path: Path) -> None:
        """Nothing to do."""

    async def unload(self, version: str) -> None:
        """Nothing to do."""

    async def score(self, messages: Sequence[Message], token_ids: Sequence[int], version: str) -> tuple[float, ...]:
        """As the canary of tests/app/canned_version.py notes it."""
        return (-2.0 if version == BASE else -1.0, *(-1.0 for _ in token_ids[1:]))

    async def score_canary(self, canary: Canary, version: str) -> tuple[float, ...]:
        """The same."""
        return await self.score(canary.prompt, canary.token_ids, version)

    async def offload(self) -> None:
        """Nothing to do."""

    async def reload(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


@asynccontextmanager
async def stage(
    home: Path,
    *,
    buffer: int = 16,
    pause: float = 0.0,
    prompts: int = 60,
    answers: Sequence[str] = ANSWERS,
    queue: QueueSettings = TRAINING_ALONE,
    trainer: tuple[str, ...] = ("false",),
    too_fast: float = SKIMMING,
) -> AsyncIterator[Services]:
    """Services with a working feeder, and a trainer that fails unless another is given."""
    with PreferenceStore.open(home / "prefloop.db", too_fast=too_fast) as store:
        settings = Settings(queue=queue, trainer=trainer, max_rows=6).model_copy(
            update={"buffer": buffer}
        )  # 0: nothing ahead
        services = wire(Home(home), settings, store, _parts(store, home, CannedEngine(answers, pause=pause)))
        store.versions.ensure_base("canned", "0")
        publish_guidelines(store)
        store.prompts.add(list(itertools.islice(_prompts(), prompts)), source="test")
        await services.router.start()
        feeding = asyncio.create_task(services.feeder.run()) if buffer else None
        yield services
        if feeding:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        await services.jobs.close()


def web(services: Services) -> FastAPI:
    """The whole web application, as the server has it."""
    return create_app(services)


def client(app: FastAPI, services: Services, role: Role | None) -> AsyncClient:
    """A browser of somebody new with this role, signed in; of a stranger, if None."""
    browser = AsyncClient(transport=ASGITransport(app), base_url="http://loop.test")
    if role is not None:
        somebody = services.accounts.add(f"somebody-{role}-{next(_NUMBERS)}", role)
        token, _ = services.accounts.redeem(services.accounts.make_link(somebody.id))
        browser.cookies.set("prefloop_session", token)
    return browser


def _prompts() -> Iterator[list[Message]]:
    for n in itertools.count():
        prompt = PROMPTS[n % len(PROMPTS)]
        tail = f" ({n})" if n >= len(PROMPTS) else ""
        yield [*prompt[:-1], {"role": "user", "content": prompt[-1]["content"] + tail}]


def read(text: str, *, whole: bool = True) -> Answer:
    """A canned text as an answer; each word of its reasoning is a token. One that only reasons was cut off."""
    parts = THINK.split(text, whole=whole)
    if not parts.reasoning:
        return Answer(parts.answer.strip())
    return Answer(parts.answer.strip(), parts.reasoning.strip(), len(parts.reasoning.split()))


def _said(answers: Sequence[Answer]) -> Answers:
    return Answers(tuple(one.text for one in answers), thoughts=tuple(one.thought for one in answers))


def _completion(text: str, job: SamplingJob, seed: int) -> NewCompletion:
    answer = read(text)
    cut_off = answer.reasoning is not None and not answer.text
    return NewCompletion(
        job.version,
        answer.text,
        (1, 2),
        (-0.5, -0.5),
        FinishReason.LENGTH if cut_off else FinishReason.STOP,
        job.sampling,
        seed,
        reasoning=answer.reasoning,
        reasoning_tokens=answer.reasoning_tokens,
    )


def _parts(store: PreferenceStore, home: Path, engine: CannedEngine) -> ServiceParts:
    adapter_store = AdapterStore(home / "adapters")
    template = RoundConfig(model="canned", revision="0", seed=0)
    training_settings = TrainingSettings({}, parameters=1_600_000)
    return ServiceParts(
        base=cast(Base, None),
        engine=engine,
        adapter_store=adapter_store,
        planner=Planner(
            store.versions, adapter_store, template=template, training_settings=training_settings, max_rank=16
        ),
        training_settings=training_settings,
        source=random.Random(0),
        hasher=PasswordHasher(1, 8, 1),
    )
