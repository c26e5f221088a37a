"""Share the accelerator between serving and a round: serve as usual, from ready pairs only, or offload the model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.annotation.feeder import Feeder
from app.rounds.serve_during_training import ServeDuringTraining
from app.serving.engine import Engine
from app.settings_file import TOP
from data.errors import RoundError
from trainer.forward.activation_count import Activations
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base
from trainer.preflight.memory_estimate import MemoryEstimate, free_bytes

_FILL_SECONDS = 120.0
_GIB = 2**30


class GpuSharing:
    """Shares the machine between serving and training, according to `mode`."""

    def __init__(
        self, mode: ServeDuringTraining, engine: Engine, feeder: Feeder, base: Base, activations: Activations
    ) -> None:
        """activations: measured on the base model when it was loaded."""
        self._mode = mode
        self._engine = engine
        self._feeder = feeder
        self._base = base
        self._activations = activations

    @asynccontextmanager
    async def training(self, directory: RoundDir) -> AsyncIterator[None]:
        """Make room for a round to train within the block; serving is restored afterwards, even after an error.

        Raises RoundError when the memory that training needs is not free, saying how much is. A trainer that an
        earlier server left running is not checked, since it already has its memory.
        """
        if self._mode is ServeDuringTraining.KEEP:
            await self._assert_room(directory)
            yield
            return
        await self._feeder.fill(_FILL_SECONDS)
        async with self._feeder.resting():
            if self._mode is ServeDuringTraining.BUFFER:
                await self._assert_room(directory)
                yield
                return
            await self._engine.offload()
            try:
                await self._assert_room(directory)
                yield
            finally:
                await asyncio.shield(self._come_back())

    async def _come_back(self) -> None:
        try:
            await self._engine.reload()
        except RuntimeError as error:  # torch's type for out of memory
            raise RoundError(
                f"the model could not be moved back from CPU memory ({error}); free the memory that something else "
                "has taken, and start the server again"
            ) from error

    async def _assert_room(self, directory: RoundDir) -> None:
        if await asyncio.to_thread(directory.taken):
            return
        free = await asyncio.to_thread(free_bytes, self._base.model.device)
        needed = await asyncio.to_thread(MemoryEstimate.of, directory, self._base, self._activations, free=free)
        if needed.bytes > free:
            ways = "" if self._mode is ServeDuringTraining.OFFLOAD else f'set serve_during_training = "offload" {TOP}, '
            raise RoundError(
                f"training needs about {needed.bytes / _GIB:.1f} GiB ({needed}), and {free / _GIB:.1f} GiB are free; "
                f"{ways}set gradient_checkpointing = true, lower max_tokens, token_budget or rank in [training], or "
                "serve a smaller model"
            )
