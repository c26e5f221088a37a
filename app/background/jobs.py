"""Long jobs started by an admin who does not wait for them: run one at a time, with progress."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from data.errors import NotFoundError, PrefloopError

_KEPT = 50


class JobState(StrEnum):
    """WAITING for another job to end, RUNNING, DONE, or FAILED for a reason."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class Job:
    """A job. done: units of work done, out of `of`; result: id of what it made, once DONE."""

    id: int
    kind: str
    of: int
    done: int = 0
    state: JobState = JobState.WAITING
    error: PrefloopError | None = None
    result: int | None = None
    stopping: bool = False

    def tell(self, done: int) -> None:
        """Report progress. Raises PrefloopError when the server shuts down; what is done by then is kept."""
        self.done = done
        if self.stopping:
            raise PrefloopError("the server ended; ask for it again, and it goes on")


class Jobs:
    """The jobs of a server. The newest are kept in memory."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._jobs: dict[int, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    def begin(self, kind: str, of: int, work: Callable[[Job], int]) -> Job:
        """Run work in a thread; it reports its progress, and returns the id of what it made."""
        job = Job(next(self._numbers), kind, of)
        self._jobs[job.id] = job
        while len(self._jobs) > _KEPT:
            del self._jobs[min(self._jobs)]
        task = asyncio.create_task(self._run(job, work), name=f"{kind} {job.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def by_id(self, number: int) -> Job:
        """Return the job with this number. Raises NotFoundError."""
        if number not in self._jobs:
            raise NotFoundError("There is no job {number}.", number=number)
        return self._jobs[number]

    async def close(self) -> None:
        """Stop the running job at its next progress report, and start no other."""
        for job in self._jobs.values():
            job.stopping = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, job: Job, work: Callable[[Job], int]) -> None:
        async with self._turn:
            job.state = JobState.RUNNING
            try:
                job.tell(0)
                job.result = await asyncio.to_thread(work, job)
                job.state = JobState.DONE
            except PrefloopError as error:
                job.error, job.state = error, JobState.FAILED
            except OSError as error:
                job.error = PrefloopError(f"a file cannot be read or written: {error}")
                job.state = JobState.FAILED
            except BaseException:
                job.error, job.state = PrefloopError("it broke off; see the server's log"), JobState.FAILED
                raise
