"""The trainer's process: started, watched, stopped, and restarted when it was killed.

After an out-of-memory kill the trainer is restarted with half the token budget, after any other kill once more.
RoundRunner uses it.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import psutil

from data.errors import RoundError
from trainer.interface.round_dir import RoundDir
from trainer.model.machine_memory import MachineMemory

_NICENESS = 5  # the server's requests come first
_LOOK_SECONDS = 0.25
_NEARLY_ALL = 0.9  # of the memory it could have; between two checks it may have taken the rest


class Memory(Protocol):
    """Memory of the machine, as the trainer shares it; `MachineMemory` except in tests."""

    def free(self) -> int:
        """Return the bytes still available."""
        ...

    def kills(self) -> int:
        """Return how many processes the kernel has killed for lack of memory so far."""
        ...


class MemoryWatch:
    """Tracks the largest share of the available memory that a process took: held / (held + free)."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._kills = memory.kills()
        self._share = 0.0

    def look(self, held: int) -> None:
        """Record what the process holds now, in bytes."""
        self._share = max(self._share, held / max(1, held + self._memory.free()))

    def ran_out(self) -> bool:
        """Return whether a SIGKILL was for memory: the kernel counted one, or the process held nearly all there was."""
        return self._memory.kills() > self._kills or self._share > _NEARLY_ALL


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a process ended: its exit status (negative for a signal), and whether it ran out of memory."""

    status: int
    out_of_memory: bool


class TrainerProcess:
    """Runs the trainer on one round directory at a time. command: gets the directory as its last argument."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        memory: Memory | None = None,
        held: Callable[[int], int] | None = None,
    ) -> None:
        """memory, held (bytes of a process by its id): replaced in tests only."""
        self._command = command
        self._memory = memory or MachineMemory()
        self._held = held or held_by
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The id of the running process, if there is one."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def stop(self) -> None:
        """Ask the trainer to write a checkpoint and end."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    async def close(self) -> None:
        """Stop the trainer, and wait until it has ended."""
        if self._process is not None and self._process.returncode is None:
            self.stop()
            await self._process.wait()

    async def carry_through(self, directory: RoundDir, assert_wanted: Callable[[], None]) -> int:
        """Run the trainer until it ends by itself; returns its exit status, negative for a signal.

        After an out-of-memory kill it is restarted with half the token budget, down to a minimum; after another kill it
        is restarted once. assert_wanted: raises when the round was cancelled. Raises RoundError when even the minimum
        does not fit into memory.
        """
        chances = 1
        while True:
            assert_wanted()
            ended = await self._run(directory, assert_wanted)
            if ended.status >= 0:
                return ended.status
            if ended.out_of_memory and await asyncio.to_thread(_lowered, directory):
                continue
            if chances == 0:
                return ended.status
            chances -= 1

    async def _run(self, directory: RoundDir, assert_wanted: Callable[[], None]) -> _Ended:
        """Run the process once, watching its memory."""
        watch = MemoryWatch(self._memory)
        with directory.log.open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command,
                str(directory.path),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
            try:
                assert_wanted()
            except RoundError:  # cancelled while the process was being started
                process.send_signal(signal.SIGTERM)
        looking = asyncio.create_task(self._look(process.pid, watch), name="memory of the trainer")
        try:
            status = await process.wait()
        finally:
            looking.cancel()
        return _Ended(status, status == -signal.SIGKILL and watch.ran_out())

    async def _look(self, pid: int, watch: MemoryWatch) -> None:
        while True:
            watch.look(self._held(pid))
            await asyncio.sleep(_LOOK_SECONDS)


def held_by(pid: int) -> int:
    """Return the bytes that a process and its children hold; 0 if it has ended."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    held = 0
    for one in family:
        with suppress(psutil.Error):
            held += int(one.memory_info().rss)
    return held


def _lowered(directory: RoundDir) -> bool:
    """Halve the token budget for the next run; False when the trainer ended before it had chosen one.

    Raises RoundError when half would be below the minimum.
    """
    use = directory.memory()
    if use is None:
        return False
    lower = use.halved()
    if lower is None:
        raise RoundError(
            f"the trainer was killed for want of memory {use.kills + 1} times, at last with {use.token_budget} tokens "
            "at a time; free memory, lower max_tokens or rank, turn on gradient_checkpointing, or serve a smaller model"
        )
    directory.set_memory(lower)
    return True
