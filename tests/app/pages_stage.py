"""The whole application over a canned engine: everything real but the model."""

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.annotation.desk import Desk
from app.annotation.eval_feeder import EvalFeeder
from app.annotation.feeder import Feeder
from app.annotation.quality_cache import QualityCache
from app.annotation.queue_settings import QueueSettings
from app.background.jobs import Jobs
from app.background.webhooks import Webhooks
from app.datasets.export_files import ExportFiles
from app.datasets.uploads import Uploads
from app.home import Home
from app.maintenance.backups import Backups
from app.people.accounts import Accounts
from app.rounds.planner import Planner
from app.rounds.rebuilds import Rebuilds
from app.rounds.runner import RoundRunner
from app.rounds.trainer_process import TrainerProcess
from app.rounds.training_settings import TrainingSettings
from app.rounds.triggers import Triggers
from app.services import Services, publish_guidelines
from app.serving.adapter_store import AdapterStore
from app.serving.engine import BASE, Answers, SamplingJob
from app.serving.router import Router
from app.settings.settings import Settings
from app.versions.limits import Limits
from app.versions.promotion import Promotion, PromotionPolicy
from app.versions.registry import ModelRegistry
from app.versions.trial import Trial
from app.web.server import create_app
from data.barring.reading_speed import SKIMMING
from data.containers.container import FileLimits
from data.records import FinishReason, Message, NewCompletion, Role, Sampling
from data.store import PreferenceStore
from data.support.clock import now_ms
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
        services = _wire(store, home, CannedEngine(answers, pause=pause), buffer, queue, trainer)
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


def _wire(
    store: PreferenceStore,
    home: Path,
    engine: CannedEngine,
    buffer: int,
    queue: QueueSettings,
    trainer: tuple[str, ...],
) -> Services:
    shelf = AdapterStore(home / "adapters")
    router = Router(engine, shelf, store.versions)
    webhooks = Webhooks((), store.outbox, now_ms)
    matches = EvalFeeder(
        store, engine, router, sampling=Sampling(), queue=queue, buffer=buffer, source=random.Random(0)
    )
    feeder = Feeder(
        store,
        engine,
        router,
        sampling=Sampling(),
        buffer=buffer,
        workers=4,
        queue=queue,
        eval_feeder=matches,
        source=random.Random(0),
    )
    template = RoundConfig(model="canned", revision="0", seed=0)
    trainings = TrainingSettings({}, parameters=1_600_000)
    planner = Planner(store.versions, shelf, template=template, training_settings=trainings, max_rank=16)
    adapters = ModelRegistry(store, router, shelf, moved=feeder.wake, publish=webhooks.publish)
    rounds = RoundRunner(
        store,
        router,
        shelf,
        directory=home / "rounds",
        planner=planner,
        trainer=TrainerProcess(trainer),
        publish=webhooks.publish,
        gatekeeper=PromotionPolicy(adapters, router, promotion=Promotion.GATE, limits=Limits()),
        room=lambda _: nullcontext(),
    )
    errands = Jobs()
    return Services(
        settings=Settings(),
        store=store,
        base=cast(Base, None),
        engine=engine,
        router=router,
        adapter_store=shelf,
        registry=adapters,
        feeder=feeder,
        eval_feeder=matches,
        desk=Desk(
            store,
            feeder,
            router,
            lease_ms=600_000,
            reasons=Settings().reasons,
            turns=4,
            queue=queue,
        ),
        rounds=rounds,
        triggers=Triggers(store, rounds, Settings().rounds),
        rebuilds=Rebuilds(store, rounds),
        jobs=errands,
        uploads=Uploads(store, errands, home / "imports", FileLimits()),
        export_files=ExportFiles(store, errands, home / "exports"),
        backups=Backups(Home(home), Settings().backup),
        trial=Trial(store, adapters, roll_back=True, most_votes=Settings().trial_votes),
        training_settings=trainings,
        accounts=Accounts(store, hasher=PasswordHasher(1, 8, 1)),
        quality_cache=QualityCache(store, now_ms),
        webhooks=webhooks,
    )
