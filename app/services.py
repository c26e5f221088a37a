"""The composition root: every service is built here once, from settings, a store and the parts that need a model.

`app/startup.py` makes those parts from a home; tests replace them.
"""

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from argon2 import PasswordHasher

from app.annotation.desk import Desk
from app.annotation.eval_feeder import EvalFeeder
from app.annotation.feeder import Feeder
from app.annotation.quality_cache import QualityCache
from app.background.jobs import Jobs
from app.background.loop import Loop
from app.background.webhooks import Webhooks
from app.datasets.export_files import ExportFiles
from app.datasets.uploads import Uploads
from app.home import Home
from app.maintenance.backups import Backups
from app.people.accounts import Accounts
from app.rounds.gpu_sharing import GpuSharing
from app.rounds.planner import Planner
from app.rounds.rebuilds import Rebuilds
from app.rounds.runner import RoundRunner
from app.rounds.trainer_process import TrainerProcess
from app.rounds.training_settings import TrainingSettings
from app.rounds.triggers import Triggers
from app.serving.adapter_store import AdapterStore
from app.serving.engine import Engine
from app.serving.router import Router
from app.settings.settings import Settings
from app.settings_file import FILE, HERE, SettingsFile
from app.versions.promotion import PromotionPolicy
from app.versions.registry import ModelRegistry
from app.versions.trial import Trial
from data.store import PreferenceStore
from data.support.clock import now_ms
from trainer.forward.activation_count import Activations
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base

Room = Callable[[RoundDir], AbstractAsyncContextManager[None]]
"""Within it, there is room for a round to train."""
_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What services are built from besides settings and store: all that needs a model, which tests replace.

    activations: what was counted of the model; None shares no GPU. source: of all chance. hasher: of passwords.
    """

    base: Base
    engine: Engine
    adapter_store: AdapterStore
    planner: Planner
    training_settings: TrainingSettings
    activations: Activations | None = None
    keeps_reasoning: bool = False
    source: random.Random = field(default_factory=random.Random)
    hasher: PasswordHasher | None = None


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


def wire(home: Home, settings: Settings, store: PreferenceStore, parts: ServiceParts) -> Services:
    """Build all services, each once, in the order they depend on each other."""
    engine, file = parts.engine, SettingsFile(home.path / FILE)
    router = Router(engine, parts.adapter_store, store.versions)
    webhooks = Webhooks(settings.webhooks, store.outbox, now_ms)
    eval_feeder = EvalFeeder(
        store,
        engine,
        router,
        sampling=settings.sampling,
        queue=settings.queue,
        buffer=settings.buffer,
        source=parts.source,
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
        source=parts.source,
        file=file,
    )
    registry = ModelRegistry(store, router, moved=feeder.wake, publish=webhooks.publish)
    rounds = RoundRunner(
        store,
        router,
        parts.adapter_store,
        directory=home.rounds,
        planner=parts.planner,
        trainer=TrainerProcess(settings.trainer),
        publish=webhooks.publish,
        promotion_policy=PromotionPolicy(registry, router, promotion=settings.promotion, limits=settings.limits),
        room=_room(settings, parts, feeder),
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
        base=parts.base,
        engine=engine,
        router=router,
        adapter_store=parts.adapter_store,
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
            keeps_reasoning=parts.keeps_reasoning,
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
        training_settings=parts.training_settings,
        accounts=Accounts(store, clock=now_ms, session_ms=settings.session_hours * _HOUR_MS, hasher=parts.hasher),
        quality_cache=QualityCache(store, now_ms),
        webhooks=webhooks,
        settings_file=file,
    )


def _room(settings: Settings, parts: ServiceParts, feeder: Feeder) -> Room:
    if parts.activations is None:
        return lambda _: nullcontext()
    sharing = GpuSharing(settings.serve_during_training, parts.engine, feeder, parts.base, parts.activations)
    return sharing.training
