"""The audit log of the API: each request that changes something, or takes data away, is kept once it has succeeded.

A route says which act it is by `@act(...)`. What was sent is kept, shortened; passwords never are.
"""

import asyncio
from collections.abc import Callable, Coroutine
from math import isfinite
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.api.auth import HomeOwner
from data.activity.audit import Audit, AuditAct, Detail
from data.records import Annotator

_LONGEST = 200  # characters of a text that was sent
_READS = frozenset({"GET", "HEAD"})
_ACT = "audit_act"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


def act(kind: AuditAct) -> Callable[[_Endpoint], _Endpoint]:
    """Mark the handler of a route: whoever uses the route does this. It goes below the route's own decorator."""

    def mark(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _ACT, kind)
        return endpoint

    return mark


def act_of(route: APIRoute) -> AuditAct | None:
    """The act that a route is marked with."""
    found: AuditAct | None = getattr(route.endpoint, _ACT, None)
    return found


def audited(audit: Audit) -> type[APIRoute]:
    """A class of routes whose acts are kept, to be given to a router as `route_class`.

    Its routes raise TypeError where they are defined, if they change something and are not marked with an act.
    """

    class AuditedRoute(APIRoute):
        """A route that keeps its act, if it has one."""

        def get_route_handler(self) -> Handler:
            """The handler, and then the act."""
            handle, kind = super().get_route_handler(), act_of(self)
            if kind is None:
                if (self.methods or set()) - _READS:
                    raise TypeError(f"{self.path} changes something; mark {self.name} with @act(AuditAct...)")
                return handle

            async def handle_and_keep(request: Request) -> Response:
                answer = await handle(request)
                actor: Annotator | HomeOwner = request.state.annotator
                await asyncio.to_thread(audit.add, actor.id, kind, await _detail(request))
                return answer

            return handle_and_keep

    return AuditedRoute


async def _detail(request: Request) -> Detail:
    """The ids in the path and the plain values in the query and the body."""
    sent = await request.json() if await request.body() else {}
    given = {**request.path_params, **request.query_params, **(sent if isinstance(sent, dict) else {})}
    return {key: kept for key, value in given.items() if "password" not in key and (kept := _kept(value)) is not None}


def _kept(value: object) -> str | int | float | bool | None:
    """A plain value, shortened; a list of such, as a text. None for all else, and for a list that says nothing."""
    match value:
        case str():
            return value[:_LONGEST]
        case float() if not isfinite(value):  # the audit cannot hold it
            return None
        case int() | float():
            return value
        case [_, *_] if all(isinstance(one, str | int | float) for one in value):
            return ", ".join(map(str, value))[:_LONGEST]
        case _:
            return None
