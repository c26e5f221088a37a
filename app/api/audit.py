"""Keeps what admins do through the API: each request that changed something, or took data away, once it has.

Words and numbers that were sent are kept, lists of them too, shortened; passwords never are. Knows no route.
"""

import asyncio
from collections.abc import Callable, Coroutine
from math import isfinite
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from data.activity.audit import Audit, Detail
from data.records import Annotator

_LONGEST = 200  # characters of a text that was sent
_READS = frozenset({"GET", "HEAD"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def audited(audit: Audit, *, reads: bool = False) -> type[APIRoute]:
    """A class of routes whose acts are kept, to be given to a router as `route_class`.

    reads: also what only reads, for routes that hand out whole data sets or versions.
    """

    class AuditedRoute(APIRoute):
        """A route behind the gate."""

        def get_route_handler(self) -> Handler:
            """The handler, and then the act."""
            handle = super().get_route_handler()

            async def keep(request: Request) -> Response:
                answer = await handle(request)
                if reads or request.method not in _READS:
                    actor: Annotator = request.state.annotator
                    await asyncio.to_thread(audit.add, actor.id, self.name, await _detail(request))
                return answer

            return keep

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
