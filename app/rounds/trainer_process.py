"""The trainer's process: started, watched, stopped, and started again when it was killed.

A trainer that the kernel killed for memory goes on with half the tokens at a time, one that was killed otherwise is
started once more. Knows nothing of rounds in the store, nor of what is trained.
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

_NICENESS = 5  # people at work come first
_LOOK_SECONDS = 0.25
_NEARLY_ALL = 0.9  # of what a process could have; what it takes between two looks may be the rest


class Memory(Protocol):
    """What there is for the trainer and all that runs beside it; `MachineMemory` but in tests."""

    def free(self) -> int:
        """Bytes that may still be taken."""
        ...

    def kills(self) -> int:
        """How many processes the kernel has killed for want of memory so far."""
        ...


class MemoryWatch:
    """What a process took of the memory that it could have: what it holds, and what was still free at that time."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._kills = memory.kills()
        self._share = 0.0

    def look(self, held: int) -> None:
        """Note what the process holds now, in bytes."""
        self._share = max(self._share, held / max(1, held + self._memory.free()))

    def ran_out(self) -> bool:
        """Whether a SIGKILL was for memory: the kernel counted one, or the process held nearly all it could have."""
        return self._memory.kills() > self._kills or self._share > _NEARLY_ALL


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a process ended: its exit status, negative for a signal, and whether that was for want of memory."""

    status: int
    out_of_memory: bool


class TrainerProcess:
    """Runs the trainer on one round directory at a time. command gets the directory as its last argument."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        memory: Memory | None = None,
        held: Callable[[int], int] | None = None,
    ) -> None:
        """memory and held (bytes of a process by its id) are what the machine says, but in tests."""
        self._command = command
        self._memory = memory or MachineMemory()
        self._held = held or held_by
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs, if one does."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def stop(self) -> None:
        """Ask the trainer to write a checkpoint and end."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    async def close(self) -> None:
        """Stop it, and wait until it has ended."""
        if self._process is not None and self._process.returncode is None:
            self.stop()
            await self._process.wait()

    async def carry_through(self, directory: RoundDir, assert_wanted: Callable[[], None]) -> int:
        """Run the trainer until it ends by itself, and return its exit status, negative for a signal.

        Killed for want of memory it goes on with half the tokens at a time, down to a floor; killed otherwise it is
        started once more. assert_wanted raises when nobody wants it any more. Raises RoundError when not even the
        least memory is there.
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
        """One run, watched from its start to its end."""
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
            except RoundError:  # cancelled while the process was being made
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
    """Bytes that a process and all it has started hold; 0 when it has ended."""
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
    """Let the next run take half the tokens at a time; False when it has not come so far as to say how many it took.

    Raises RoundError when half would be too few to go on with.
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
