"""Who calls a route: what the gate in front has found out. Knows nothing of cookies or tokens."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from data.records import Annotator, Role


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


Caller = Annotated[Annotator, Depends(caller)]
Admin = Annotated[Annotator, Depends(admin)]
