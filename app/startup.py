"""A home brought to life: its model loaded and checked, its services built, and their background work run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from app.background.shutdown import closed_in_time
from app.home import Home
from app.rounds.disk_space import RoundDiskSpace
from app.rounds.planner import Planner
from app.rounds.training_settings import TrainingSettings
from app.services import ServiceParts, Services, wire
from app.serving.adapter_store import AdapterStore
from app.serving.inprocess import InProcessEngine
from app.settings.settings import Settings
from app.settings_file import FILE, SettingsFile
from app.versions.prompt_formats import settle_format
from data.exchange.read_prompts import read_prompts
from data.store import PreferenceStore
from trainer.interface.config import RoundConfig
from trainer.model.base import load_base
from trainer.preflight.model_check import check_template, check_training

_SEED = Path(str(files("data") / "seed"))
_LEAST_MAX_RANK = 16  # the default rank of an earlier prefloop, whose versions go on being served


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
        parts = ServiceParts(
            base=base,
            engine=engine,
            adapter_store=adapter_store,
            planner=planner,
            training_settings=training_settings,
            activations=trained.activations,
            keeps_reasoning=base.prompts.keeps_reasoning,
        )
        services = wire(home, settings, store, parts)
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
