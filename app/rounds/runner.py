"""Run rounds: freeze a snapshot, run the trainer in its own process, install its adapter as a version.

The two processes share only the round directory; the manifest, not the exit status, means that training succeeded. A
crash of the trainer cannot affect serving.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from app.background.webhooks import Event, Publish
from app.rounds.algorithms import Algorithm
from app.rounds.failure import why_ended
from app.rounds.planner import Planner, admission, parent_of
from app.rounds.trainer_process import TrainerProcess
from app.serving.adapter_store import AdapterStore
from app.serving.router import Router
from app.settings_file import HERE, SettingsFile
from app.versions.promotion import PromotionPolicy
from data.errors import ConflictError, DiskFullError, PrefloopError, RoundError
from data.records import Annotator, Round, RoundState, Without
from data.store import PreferenceStore
from data.support.disk import written_to
from trainer.interface.manifest import Manifest, Progress
from trainer.interface.round_dir import RoundDir

_ROOM_SECONDS = 2.0
"""Seconds between attempts to write to a full disk."""


@dataclass(frozen=True, slots=True)
class RoundView:
    """A round with what its directory contains. manifest: None also if an older prefloop wrote it."""

    round: Round
    progress: Progress | None
    metrics: list[dict[str, float]]
    manifest: Manifest | None


class RoundRunner:
    """Starts, watches, cancels and finishes rounds, one at a time.

    trainer: the process that trains. publish: receives how a round ended. gatekeeper: decides what happens to the new
    version. room: context in which there is memory for a round to train.
    """

    def __init__(
        self,
        store: PreferenceStore,
        router: Router,
        adapter_store: AdapterStore,
        *,
        directory: Path,
        planner: Planner,
        trainer: TrainerProcess,
        publish: Publish,
        promotion_policy: PromotionPolicy,
        room: Callable[[RoundDir], AbstractAsyncContextManager[None]],
        file: SettingsFile = HERE,
    ) -> None:
        self._store = store
        self._router = router
        self._adapter_store = adapter_store
        self._directory = directory
        self._planner = planner
        self._trainer = trainer
        self._publish = publish
        self._promotion_policy = promotion_policy
        self._room = room
        self._file = file
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    @property
    def configured(self) -> Algorithm:
        """The algorithm of a round that does not name one."""
        return self._planner.configured

    async def start(
        self,
        actor: Annotator | None,
        *,
        algorithm: Algorithm | None = None,
        cause: str = "by hand",
        waited: bool = False,
    ) -> Round:
        """Freeze the current judgments and start training on them, with the configured or the given algorithm.

        waited: whether it was queued; it is then removed from the queue.

        Raises RoundRunsError when a round is running; ConflictError when the judgments do not suffice for the
        algorithm, or its reference does not exist or leads to an adapter that could not be served; AdapterError when
        the reference is damaged.
        """
        config = await asyncio.to_thread(self._planner.plan, algorithm, champion=self._router.champion)
        created = await asyncio.to_thread(
            self._store.rounds.create,
            config=config.model_dump(mode="json"),
            started_by=actor.id if actor else None,
            admit=admission(config.training),
            rules=self._planner.rules,
            cause=cause,
            waited=waited,
        )
        self._watch(created.id)
        return created

    async def rebuild(self, round_id: int, without: Without, actor: Annotator | None) -> Round:
        """Repeat a round without some judgments, with the same settings and seed.

        Raises as PreferenceStore.rounds.rebuild and Planner.replan do.
        """
        created = await asyncio.to_thread(self._begin_rebuild, round_id, without, actor)
        self._watch(created.id)
        return created

    def _begin_rebuild(self, round_id: int, without: Without, actor: Annotator | None) -> Round:
        rounds, versions = self._store.rounds, self._store.versions.all()
        made = {version.round_id: version for version in versions}
        rebuilt = {made[old].name: made[new] for old, new in rounds.rebuilt(without).items()}
        config = self._planner.replan(rounds.by_id(round_id), rebuilt)
        return rounds.rebuild(
            round_id,
            without,
            config=config.model_dump(mode="json"),
            started_by=actor.id if actor else None,
            admit=admission(config.training),
        )

    async def take_up(self, round_id: int) -> Round:
        """Resume a failed or cancelled round from its last checkpoint, on the same snapshot.

        Raises NotFoundError; ConflictError for any other round, and while one runs.
        """
        reopened = await asyncio.to_thread(self._store.rounds.reopen, round_id)
        self._watch(round_id)
        return reopened

    async def resume(self) -> None:
        """Continue a round that an earlier server left unfinished."""
        left = await asyncio.to_thread(self._store.rounds.unended)
        if left is not None:
            self._watch(left.id)

    async def cancel(self, round_id: int) -> None:
        """Stop a round that is training. Raises ConflictError when it is not."""
        if self.view(round_id).round.state is not RoundState.TRAINING:
            raise ConflictError(f"round {round_id} is not training, so there is nothing to cancel")
        self._cancelled = True
        self._trainer.stop()

    async def wait(self) -> None:
        """Wait until the running round has ended, if there is one."""
        if self._task:
            await self._task

    async def close(self) -> None:
        """Let the trainer write a checkpoint and end; the next server resumes it."""
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._trainer.close()

    def directory(self, round_id: int) -> RoundDir:
        """Return a round's directory."""
        return RoundDir(self._directory / f"{round_id:06d}")

    def view(self, round_id: int) -> RoundView:
        """Return a round with its current state. Raises NotFoundError."""
        directory = self.directory(round_id)
        return RoundView(
            self._store.rounds.by_id(round_id),
            directory.progress(),
            directory.metrics(),
            _readable_manifest(directory),
        )

    def manifest(self, round_id: int) -> Manifest | None:
        """Return a round's manifest; None if there is none yet, or if an older prefloop wrote it."""
        return _readable_manifest(self.directory(round_id))

    def latest(self) -> RoundView | None:
        """Return the newest round with its current state; None before the first."""
        rounds = self._store.rounds.all()
        return self.view(rounds[0].id) if rounds else None

    def _freeze(self, round_id: int) -> None:
        """Write the round's directory, unless it exists; it is created atomically."""
        if not self.directory(round_id).path.exists():
            rounds = self._store.rounds
            self._planner.freeze(rounds.by_id(round_id), rounds.snapshot(round_id), self.directory(round_id))

    def _watch(self, round_id: int) -> None:
        self._cancelled = False
        self._task = asyncio.create_task(self._carry_through(round_id), name=f"round {round_id}")

    async def _carry_through(self, round_id: int) -> None:
        """Freeze, train, then install the version; any failure ends in the round's state and reason."""
        try:
            with written_to(self._directory):
                await asyncio.to_thread(self._freeze, round_id)
                manifest = await self._train(round_id)
                await self._set(round_id, RoundState.SWAPPING)
                self._assert_wanted()  # last moment at which cancelling works; from now on it is refused
                await self._swap(round_id, manifest)
        except PrefloopError as error:
            state = RoundState.CANCELLED if self._cancelled else RoundState.FAILED
            await self._set(round_id, state, self._file.located(str(error)))
        except Exception as error:
            await self._set(round_id, RoundState.FAILED, f"unexpected: {error!r}")
            raise

    async def _set(self, round_id: int, state: RoundState, reason: str | None = None) -> None:
        """Set a round's state, waiting while the disk is full: otherwise it would seem to train until a restart."""
        while True:
            try:
                await asyncio.to_thread(self._store.rounds.set_state, round_id, state, reason=reason)
                break
            except DiskFullError:
                await asyncio.sleep(_ROOM_SECONDS)
        if state.ended:
            await self._publish(Event.ROUND_FINISHED, {"round": round_id, "state": state.value, "reason": reason})

    async def _train(self, round_id: int) -> Manifest:
        """Return the manifest of a round, training it if there is none yet."""
        directory = self.directory(round_id)
        await self._set(round_id, RoundState.TRAINING)
        manifest = await asyncio.to_thread(_readable_manifest, directory) or await self._trained(directory)
        if manifest.snapshot_sha256 != await asyncio.to_thread(directory.snapshot_sha256):
            raise RoundError("the trainer's manifest is of another snapshot; nothing of it is served")
        return manifest

    async def _trained(self, directory: RoundDir) -> Manifest:
        """Run the trainer until there is a manifest."""
        async with self._room(directory):
            status = await self._trainer.carry_through(directory, self._assert_wanted)
        self._assert_wanted()
        manifest = await asyncio.to_thread(_readable_manifest, directory)
        if manifest is None:
            raise RoundError(await asyncio.to_thread(why_ended, directory, status))
        return manifest

    def _assert_wanted(self) -> None:
        if self._cancelled:
            raise RoundError("cancelled; its checkpoint stays in the round directory")

    async def _swap(self, round_id: int, manifest: Manifest) -> None:
        """Install the trained adapter as a version, and let the promotion policy decide about it."""
        name = f"round-{round_id:06d}"
        source = self.directory(round_id).adapter
        await asyncio.to_thread(self._adapter_store.install, name, source, manifest)
        await asyncio.to_thread(self._add_version, name, round_id, manifest)
        entry = await asyncio.to_thread(self._store.rounds.by_id, round_id)
        if entry.rebuilds_id is not None:
            await self._set(round_id, await self._promotion_policy.hold(name, entry.cause), entry.cause)
        else:
            await self._set(round_id, *await self._promotion_policy.decide(name, round_id, manifest.evaluation))

    def _add_version(self, name: str, round_id: int, manifest: Manifest) -> None:
        """Add the version to the store, unless an interrupted attempt already did."""
        if name not in {version.name for version in self._store.versions.all()}:
            config = self.directory(round_id).config()
            asked = config.prompt_format
            self._store.versions.add(
                name,
                round_id=round_id,
                parent=parent_of(config),
                sha256=manifest.adapter_sha256,
                prompt_format=None if asked is None else asked.model_dump(mode="json"),
            )


def _readable_manifest(directory: RoundDir) -> Manifest | None:
    try:
        return directory.manifest()
    except ValidationError:  # written by an older prefloop with another report format
        return None
