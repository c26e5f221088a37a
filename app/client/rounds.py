"""Waiting for rounds of a running server: for one to begin that waits its turn, and for one to end.

Knows the server only by its API, and nothing of commands.
"""

import time
from typing import Any

from app.client.client import Client
from data.errors import RoundError

_RUNNING = ("queued", "training", "swapping")
_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 120.0


def newest_round(server: Client) -> int:
    """The newest round's number, 0 if there is none."""
    rounds = server.get("/rounds")
    return int(rounds[0]["id"]) if rounds else 0


def ended(server: Client, number: int, *, look_seconds: float = _LOOK_SECONDS) -> dict[str, Any]:
    """A round once it is over, as the API has it."""
    while (found := server.get(f"/rounds/{number}"))["state"] in _RUNNING:
        time.sleep(look_seconds)
    return dict(found)


def begun(
    server: Client, *, after: int, look_seconds: float = _LOOK_SECONDS, patience_seconds: float = _PATIENCE_SECONDS
) -> int:
    """The number of the round that waits its turn, once it has begun; after: the newest round when it was asked for.

    Raises RoundError when somebody withdrew it, and with the server's words when it could not start.
    """
    last_act, trouble = _newest_act(server), server.get("/rounds/preview")["trouble"]
    deadline: float | None = None
    while (number := _asked_for(server, after)) is None:
        seen = server.get("/rounds/preview")
        if seen["waiting"]:
            deadline = None
        elif _withdrawn(server, last_act):
            raise RoundError("the round that waited was withdrawn; `prefloop round start` asks for another")
        elif seen["trouble"] not in {None, trouble} or (deadline is not None and time.monotonic() > deadline):
            why = seen["trouble"] or "the server does not say why"
            raise RoundError(f"the round that waited did not start: {why}; `prefloop round start` asks for another")
        elif deadline is None:  # it is being prepared, or failed with the same words as the one before
            deadline = time.monotonic() + patience_seconds
        time.sleep(look_seconds)
    return number


def _asked_for(server: Client, after: int) -> int | None:
    found = [entry["id"] for entry in server.get("/rounds") if entry["id"] > after and entry["waited"]]
    return min(found, default=None)


def _newest_act(server: Client) -> int:
    return max((act["id"] for act in server.get("/audit", limit=1)), default=0)


def _withdrawn(server: Client, last_act: int) -> bool:
    return any(act["id"] > last_act and act["action"] == "withdraw_round" for act in server.get("/audit"))
