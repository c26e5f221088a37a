"""REST for admins: how far long work is. Knows nothing of what is done."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.errors import Id, refusals
from app.api.report_schema import NoteOut
from app.background.jobs import Job, Jobs, JobState


class JobOut(BaseModel):
    """A piece of work. done: how much so far, of so much; result: the id of what came of it; reason: why none did."""

    id: int
    kind: str
    state: JobState
    done: int
    of: int
    result: int | None
    reason: NoteOut | None


def job_out(job: Job) -> JobOut:
    """A job as the API has it."""
    error = job.error
    return JobOut(
        id=job.id,
        kind=job.kind,
        state=job.state,
        done=job.done,
        of=job.of,
        result=job.result,
        reason=None if error is None else NoteOut(words=error.template, values=error.values),
    )


def build_jobs_api(jobs: Jobs) -> APIRouter:
    """The routes under /errands; to be included for admins only."""
    routes = APIRouter(prefix="/errands", tags=["datasets"], responses=refusals())

    @routes.get("/{number}", responses=refusals(404))
    async def one_job(number: Id) -> JobOut:
        """How far a piece of work is."""
        return job_out(jobs.by_id(number))

    return routes
