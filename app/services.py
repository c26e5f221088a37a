"""The composition root: builds everything once, in the order it depends on each other; no globals.

Knows what there is, and nothing of how it works.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from app.annotation.desk import Desk
from app.annotation.eval_feeder import EvalFeeder
from app.annotation.feeder import Feeder
from app.annotation.quality_cache import QualityCache
from app.background.jobs import Jobs
from app.background.loop import Loop
from app.background.shutdown import closed_in_time
from app.background.webhooks import Webhooks
from app.datasets.export_files import ExportFiles
from app.datasets.uploads import Uploads
from app.home import Home
from app.maintenance.backups import Backups
from app.people.accounts import Accounts
from app.rounds.disk_space import RoundDiskSpace
from app.rounds.gpu_sharing import GpuSharing
from app.rounds.planner import Planner
from app.rounds.rebuilds import Rebuilds
from app.rounds.runner import RoundRunner
from app.rounds.trainer_process import TrainerProcess
from app.rounds.training_settings import TrainingSettings
from app.rounds.triggers import Triggers
from app.serving.adapter_store import AdapterStore
from app.serving.engine import Engine
from app.serving.inprocess import InProcessEngine
from app.serving.router import Router
from app.settings.settings import Settings
from app.settings_file import FILE, HERE, SettingsFile
from app.versions.promotion import PromotionPolicy
from app.versions.prompt_formats import settle_format
from app.versions.registry import ModelRegistry
from app.versions.trial import Trial
from data.exchange.read_prompts import read_prompts
from data.store import PreferenceStore
from data.support.clock import now_ms
from trainer.forward.activation_count import Activations
from trainer.interface.config import RoundConfig
from trainer.model.base import Base, load_base
from trainer.preflight.model_check import check_template, check_training

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_SEED = Path(str(files("data") / "seed"))
_LEAST_MAX_RANK = 16  # the default rank of an earlier prefloop, whose versions go on being served


@dataclass(frozen=True, slots=True)
class Services:
    """All that pages, API and command line work with."""

    settings: Settings
    store: PreferenceStore
    base: Base
    engine: Engine
    router: Router
    adapter_store: AdapterStore
    registry: ModelRegistry
    feeder: Feeder
    eval_feeder: EvalFeeder
    desk: Desk
    rounds: RoundRunner
    training_settings: TrainingSettings
    accounts: Accounts
    quality_cache: QualityCache
    webhooks: Webhooks
    trial: Trial
    triggers: Triggers
    rebuilds: Rebuilds
    jobs: Jobs
    uploads: Uploads
    export_files: ExportFiles
    backups: Backups
    settings_file: SettingsFile = HERE

    @property
    def loops(self) -> tuple[Loop, ...]:
        """What goes on in the background."""
        return self.feeder.loop, self.webhooks.loop, self.trial.loop, self.triggers.loop, self.backups.loop


@asynccontextmanager
async def open_services(
    home: Home,
    settings: Settings,
    store: PreferenceStore,
    *,
    serve_champion: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Services]:
    """Build the services over an open store, serve the champion, and clean up at the end.

    serve_champion=False leaves the base in place: for a repair of a home whose champion is damaged. say: takes what
    people should know of how the model is asked.

    Raises ModelError, HomeError (the home belongs to another model) or AdapterError (the champion cannot
    be served): in no case does anything else serve in its place.
    """
    base = await asyncio.to_thread(load_base, settings.model.name, options=settings.model.options)
    training_settings = TrainingSettings(settings.training, base.model.num_parameters())
    rank = training_settings.of().rank
    max_rank = settings.max_rank or max(_LEAST_MAX_RANK, rank)
    trained = await asyncio.to_thread(check_training, base, rank=min(rank, max_rank))
    for words in (await asyncio.to_thread(check_template, base)).missing():
        say(f"Its chat template {words}.")
    store.versions.ensure_base(base.name, base.revision)
    store.versions.note_license(None if base.license is None else str(base.license))
    base = settle_format(base, settings.model.options, store, say)
    import_prompts(store, settings.prompts)
    publish_guidelines(store)
    file = SettingsFile(home.path / FILE)
    engine = InProcessEngine(
        base, max_rows=settings.max_rows, max_adapters=settings.max_adapters, max_rank=max_rank, file=file
    )
    template = RoundConfig(
        model=base.name,
        model_options=settings.model.options,
        prompt_format=base.format,
        revision=base.revision,
        seed=settings.seed,
        sampling=settings.sampling,
        probes=tuple(map(tuple, read_prompts(settings.probes or _SEED / "probes.jsonl"))),
        answers=settings.evaluation.answers,
    )
    adapter_store = AdapterStore(home.adapters)
    planner = Planner(
        store.versions,
        adapter_store,
        template=template,
        training_settings=training_settings,
        max_rank=max_rank,
        rules=settings.rounds.selection,
        file=file,
        assert_fits=RoundDiskSpace(home.rounds, base, adapter_store).assert_fits,
    )
    try:
        await engine.check(trained)
        services = _wire(
            home, settings, store, base, engine, training_settings, planner, adapter_store, file, trained.activations
        )
        if serve_champion:
            await services.router.start()
        yield services
    finally:
        engine.close()


@asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """Feeder, webhooks, trial, rounds and what starts them at work until the block ends."""
    working = [
        asyncio.create_task(run(), name=loop.name)
        for run, loop in (
            (services.feeder.run, services.feeder.loop),
            (services.webhooks.run, services.webhooks.loop),
            (services.trial.loop.run, services.trial.loop),
            (services.backups.run, services.backups.loop),
        )
    ]
    await services.rounds.resume()
    working.append(asyncio.create_task(services.triggers.loop.run(), name=services.triggers.loop.name))
    try:
        yield
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await asyncio.gather(closed_in_time(services.jobs.close()), closed_in_time(_close_rounds(services)))


async def _close_rounds(services: Services) -> None:
    await services.rebuilds.close()
    await services.rounds.close()


def import_prompts(store: PreferenceStore, file: Path | None) -> None:
    """Add the prompts of a file, or the built-in ones to a store that has none to answer. Raises InputError."""
    if file is not None:
        store.prompts.add(read_prompts(file), source=file.name)
    elif store.prompts.next() is None:
        store.prompts.add(read_prompts(_SEED / "prompts.jsonl"), source="built-in")


def publish_guidelines(store: PreferenceStore) -> None:
    """Put the built-in guidelines in force in a store that has none."""
    if store.guidelines.newest() is None:
        english, chinese = (
            (_SEED / f"guidelines{language}.md").read_text(encoding="utf-8") for language in ("", ".zh")
        )
        store.guidelines.publish(english, {"zh": chinese})


def _wire(
    home: Home,
    settings: Settings,
    store: PreferenceStore,
    base: Base,
    engine: Engine,
    training_settings: TrainingSettings,
    planner: Planner,
    adapter_store: AdapterStore,
    file: SettingsFile,
    activations: Activations,
) -> Services:
    router = Router(engine, adapter_store, store.versions)
    webhooks = Webhooks(settings.webhooks, store.outbox, now_ms)
    eval_feeder = EvalFeeder(
        store,
        engine,
        router,
        sampling=settings.sampling,
        queue=settings.queue,
        buffer=settings.buffer,
        source=random.Random(),
        file=file,
    )
    feeder = Feeder(
        store,
        engine,
        router,
        sampling=settings.sampling,
        buffer=settings.buffer,
        workers=settings.max_rows // 2 + 1,  # one waits for rows, so that none stand empty
        queue=settings.queue,
        eval_feeder=eval_feeder,
        source=random.Random(),
        file=file,
    )
    registry = ModelRegistry(store, router, adapter_store, moved=feeder.wake, publish=webhooks.publish)
    rounds = RoundRunner(
        store,
        router,
        adapter_store,
        directory=home.rounds,
        planner=planner,
        trainer=TrainerProcess(settings.trainer),
        publish=webhooks.publish,
        gatekeeper=PromotionPolicy(registry, router, promotion=settings.promotion, limits=settings.limits),
        room=GpuSharing(settings.serve_during_training, engine, feeder, base, activations).training,
        file=file,
    )
    jobs = Jobs()
    trial = Trial(store, registry, roll_back=settings.roll_back, most_votes=settings.trial_votes)
    triggers = Triggers(store, rounds, settings.rounds)

    def judged() -> None:
        trial.loop.wake()
        triggers.loop.wake()

    return Services(
        settings=settings,
        store=store,
        base=base,
        engine=engine,
        router=router,
        adapter_store=adapter_store,
        registry=registry,
        feeder=feeder,
        eval_feeder=eval_feeder,
        desk=Desk(
            store,
            feeder,
            router,
            lease_ms=settings.lease_minutes * _MINUTE_MS,
            reasons=settings.reasons,
            turns=settings.turns,
            queue=settings.queue,
            keeps_reasoning=base.prompts.keeps_reasoning,
            judged=judged,
        ),
        rounds=rounds,
        triggers=triggers,
        rebuilds=Rebuilds(store, rounds),
        jobs=jobs,
        uploads=Uploads(store, jobs, home.imports, settings.imports.limits, file),
        export_files=ExportFiles(store, jobs, home.exports),
        backups=Backups(home, settings.backup),
        trial=trial,
        training_settings=training_settings,
        accounts=Accounts(store, clock=now_ms, session_ms=settings.session_hours * _HOUR_MS),
        quality_cache=QualityCache(store, now_ms),
        webhooks=webhooks,
        settings_file=file,
    )
