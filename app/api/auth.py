"""Who calls a route: what the gate in front has found out. Knows nothing of cookies or tokens."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from data.records import Annotator, Role

_READS = frozenset({"GET", "HEAD"})
_NOT_BY_TOKEN = (
    "An API token cannot change accounts, passwords, sessions or tokens. Sign in with a password (POST /session), or "
    "do it on the page or with `prefloop user`."
)


# Asynchronous, though they wait for nothing: plain functions would take a thread of those that every route needs.
async def caller(request: Request) -> Annotator:
    """Who calls; the gate lets nobody else through."""
    annotator: Annotator = request.state.annotator
    return annotator


async def admin(annotator: Annotated[Annotator, Depends(caller)]) -> Annotator:
    """The caller, if an admin."""
    if annotator.role is not Role.ADMIN:
        raise HTTPException(403, "This needs an admin.")
    return annotator


async def _in_person(request: Request) -> None:
    """Lets API tokens read only."""
    if request.state.by_api_token and request.method not in _READS:
        raise HTTPException(403, _NOT_BY_TOKEN)


Caller = Annotated[Annotator, Depends(caller)]
Admin = Annotated[Annotator, Depends(admin)]
InPerson = Depends(_in_person)
"""For routes about credentials: whoever changes them has signed in, or owns the home."""
