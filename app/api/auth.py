"""Who calls a route: what the gate in front has found out. Knows nothing of cookies or tokens."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from data.records import Annotator, Role

_READS = frozenset({"GET", "HEAD"})
_NOT_BY_TOKEN = (
    "An API token cannot change accounts, passwords, sessions or tokens. Sign in with a password (POST /session), or "
    "do it on the page or with `prefloop user`."
)


@dataclass(frozen=True, slots=True)
class HomeOwner:
    """Whoever owns the files of a home that no server runs on: may do what an admin may, and needs no account."""

    id: None = None
    pseudonym: None = None
    role: Role = Role.ADMIN


# Asynchronous, though they wait for nothing: plain functions would take a thread of those that every route needs.
async def caller(request: Request) -> Annotator:
    """Who calls; the gate lets nobody else through."""
    annotator: Annotator = request.state.annotator
    return annotator


async def admin_or_owner(request: Request) -> Annotator | HomeOwner:
    """Who acts: an admin, or the owner of the home."""
    caller: Annotator | HomeOwner = request.state.annotator
    if caller.role is not Role.ADMIN:
        raise HTTPException(403, "This needs an admin.")
    return caller


async def admin(caller: Annotated[Annotator | HomeOwner, Depends(admin_or_owner)]) -> Annotator:
    """The caller, if an admin with an account."""
    if isinstance(caller, HomeOwner):
        raise HTTPException(403, "This needs an account. Start the server, and ask that.")
    return caller


async def _in_person(request: Request) -> None:
    """Lets API tokens read only."""
    if request.state.by_api_token and request.method not in _READS:
        raise HTTPException(403, _NOT_BY_TOKEN)


Caller = Annotated[Annotator, Depends(caller)]
Admin = Annotated[Annotator, Depends(admin)]
AdminOrOwner = Annotated[Annotator | HomeOwner, Depends(admin_or_owner)]
InPerson = Depends(_in_person)
"""For routes about credentials: whoever changes them has signed in, or owns the home."""
