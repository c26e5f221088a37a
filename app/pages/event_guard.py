"""What Gradio leaves open about its events, closed before it is asked: one guard a page, inside the page's own mount.

Gradio gives a stream of events to whoever names its session hash, answers 500 to an event or a component that there is
not, writes a page of traceback for an unknown hash, and ends its whole queue on an empty one. The gate in front has
named the caller.
"""

import re
from collections import OrderedDict
from typing import Any

import gradio as gr
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.records import Annotator

_MOST_HASHES = 100  # pages that a person has open at once; a hash is a page's, drawn when it is loaded
_MOST_EVENTS = 16  # of a person, under way at once; a page has one
_PREFIX = "/gradio_api"
_UNKNOWN_STREAM = 'data: {"msg":"unexpected_error","event_id":null,"message":"Not found.","session_not_found":true}\n\n'

_HASH = re.compile(r"[\w-]{1,64}", re.ASCII)


class _Join(BaseModel):
    session_hash: str
    fn_index: int
    data: list[Any]


class _Cancel(BaseModel):
    session_hash: str
    event_id: str


class _Call(BaseModel):
    component_id: int


class SessionHashes:
    """Whose page a session hash belongs to: that of the first who names it."""

    def __init__(self, most: int = _MOST_HASHES) -> None:
        self._most = most
        self._owners: dict[str, int] = {}
        self._of: dict[int, OrderedDict[str, None]] = {}

    def claim(self, session_hash: str, person: int) -> bool:
        """Whether it is this person's, from now on if it was nobody's. Their oldest is forgotten for the newest."""
        if not _HASH.fullmatch(session_hash) or self._owners.setdefault(session_hash, person) != person:
            return False
        own = self._of.setdefault(person, OrderedDict())
        own[session_hash] = None
        own.move_to_end(session_hash)
        while len(own) > self._most:
            oldest, _ = own.popitem(last=False)
            del self._owners[oldest]
        return True

    def belongs(self, session_hash: str, person: int) -> bool:
        """Whether this person has named it first."""
        return self._owners.get(session_hash) == person


class EventGuard:
    """ASGI middleware in front of a page as Gradio serves it."""

    def __init__(self, app: ASGIApp, page: gr.Blocks) -> None:
        self._app = app
        self._page = page
        self._hashes = SessionHashes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what Gradio must not be asked, and hand on all else."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", ""))).rstrip("/")
        asked = path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else ""
        refused: Response | None = None
        if scope["method"] == "POST" and asked in ("/queue/join", "/cancel", "/component_server"):
            try:
                body = await Request(scope, receive).body()
            except HTTPException as error:  # by the gate's guard; Gradio's own layers would make a 500 of it
                refused = JSONResponse({"detail": error.detail}, error.status_code, error.headers)
            else:
                refused = self._refused_body(asked, body, scope["state"]["annotator"])
                receive = _again(body, receive)
        elif scope["method"] in ("GET", "HEAD"):
            refused = self._refused_stream(asked, Request(scope), scope["state"]["annotator"])
        await (refused or self._app)(scope, receive, send)

    def _refused_body(self, asked: str, body: bytes, person: Annotator) -> Response | None:
        try:
            if asked == "/queue/join":
                return self._refused_join(_Join.model_validate_json(body), person)
            if asked == "/cancel":
                return self._refused_cancel(_Cancel.model_validate_json(body), person)
            return None if _Call.model_validate_json(body).component_id in self._page.blocks else _not_found()
        except ValidationError:
            return JSONResponse({"detail": "This is not what the page sends: reload it."}, 422)

    def _refused_join(self, join: _Join, person: Annotator) -> Response | None:
        function = self._page.fns.get(join.fn_index)
        if function is None or not self._hashes.claim(join.session_hash, person.id):
            return _not_found()
        if len(join.data) != len(function.inputs):
            return JSONResponse({"detail": "This is not what the page sends: reload it."}, 422)
        events = self._page._queue.event_ids_to_events.values()
        if sum(event.username == person.login for event in events) >= _MOST_EVENTS:
            return JSONResponse({"detail": "Too much is under way. Wait until some of it is done."}, 429)
        return None

    def _refused_cancel(self, cancel: _Cancel, person: Annotator) -> Response | None:
        event = self._page._queue.event_ids_to_events.get(cancel.event_id)
        others = event is not None and event.session_hash != cancel.session_hash
        return _not_found() if others or not self._hashes.belongs(cancel.session_hash, person.id) else None

    def _refused_stream(self, asked: str, request: Request, person: Annotator) -> Response | None:
        if asked == "/queue/data":
            session_hash = request.query_params.get("session_hash", "")
            pending = session_hash in self._page._queue.pending_messages_per_session
            if pending and self._hashes.belongs(session_hash, person.id):
                return None
            return Response(_UNKNOWN_STREAM, media_type="text/event-stream")  # the page then says so and joins anew
        if asked.startswith("/heartbeat/") and not self._hashes.claim(asked.removeprefix("/heartbeat/"), person.id):
            return _not_found()
        return None


def _not_found() -> Response:
    return JSONResponse({"detail": "Not found."}, 404)


def _again(body: bytes, receive: Receive) -> Receive:
    """A receive that gives a body that has been read, and then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again
