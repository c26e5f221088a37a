"""The gate in front of every path, as pure ASGI middleware, outermost.

Says who asks, whether they may, and whether the request comes from our own pages; closes what Gradio
opens and nobody needs; sets the security headers. Knows nothing of what lies behind a path.
"""

import asyncio
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.people.accounts import Accounts
from app.people.visitor import token_of
from app.web.body_guard import BodyGuard
from app.web.body_limits import TOO_LARGE, BodyLimit, limit_of
from data.records import Annotator, Role

SIGN_IN = "/sign-in/"

_PUBLIC = frozenset({"/sign-in", SIGN_IN, "/join", "/join/", "/auth/link", "/healthz", "/favicon.ico"})
_MODULES = "/static"  # the pages' scripts, which hold no data; the sign-in page needs some
_PUBLIC_POSTS = frozenset({"/auth/login", "/auth/join", "/auth/link", "/api/v1/session"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_GRADIO_MOUNT = "/annotate"
_ADMIN = "/admin"
_OPEN_GRADIO = frozenset(
    {
        "",
        "/",
        "/config",
        "/theme.css",
        "/favicon.ico",
        "/manifest.json",
        "/gradio_api/info",
        "/gradio_api/theme.css",
        "/gradio_api/app_id",
        "/gradio_api/startup-events",
        "/gradio_api/queue/join",
        "/gradio_api/queue/data",
        "/gradio_api/component_server",
        "/gradio_api/component_server/",
        "/gradio_api/cancel",
        "/gradio_api/reset",
    }
)
_GRADIO_FILES = ("/assets/", "/static/", "/svelte/", "/theme.css", "/favicon.ico", "/manifest.json")
_OPEN_GRADIO_UNDER = (*_GRADIO_FILES[:3], "/gradio_api/heartbeat/")
# Gradio compiles custom components in the browser, hence 'unsafe-eval'. Nothing foreign loads or is asked.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-src 'none'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_BELIEVED_BY_GRADIO = frozenset({b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server"})
"""Headers that it takes from anybody. Of a proxy that is trusted, uvicorn has put the scheme into the scope."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_ENDS = "The server ends. Ask again when it runs again."
_OTHER_SITE = "Requests from other sites are refused."
_OTHER_SCHEME = (
    "The page came by {page}, the request by {request}. The proxy in between must set X-Forwarded-Proto, and "
    "FORWARDED_ALLOW_IPS must name its address (docs/operations.md, Network and TLS)."
)
_ADMINS_ONLY = (
    "<!doctype html><title>Admins only</title><body style='font:16px system-ui; margin:20vh auto; width:30em'>"
    "<h1>Admins only</h1><p>This page is for admins. <a href='/annotate/'>Go on annotating</a></p>"
)


class AuthMiddleware:
    """Lets a request through to the app, or answers it."""

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self._app = app
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection; there are no web sockets here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def send_with_headers(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if not everybodys:
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        scope["headers"] = [header for header in scope["headers"] if header[0] not in _BELIEVED_BY_GRADIO]
        asking = HTTPConnection(scope)
        everybodys = _is_gradio_file(_path(asking))  # asked for now: a mount changes the scope
        holder = self._accounts.holder_of(token_of(asking))
        annotator = None if holder is None else holder.person
        scope.setdefault("state", {})["annotator"] = annotator
        scope["state"]["by_api_token"] = holder is not None and holder.by_api_token
        answer = _refusal(asking, annotator) or self._app
        try:
            await answer(scope, BodyGuard(receive, limit_of(_path(asking))), send_with_headers)
        except asyncio.CancelledError:
            # The server ends, and gives up what takes longer than it can wait. What has begun is left unfinished: the
            # connection closes on it, so that nobody takes half an answer for a whole one.
            if not began:
                await JSONResponse({"detail": _ENDS}, 503, {"retry-after": "10"})(scope, receive, send_with_headers)


def _refusal(asking: HTTPConnection, annotator: Annotator | None) -> Response | None:
    """Why a request goes no further, as the answer to it; None lets it through."""
    path, method = _path(asking), str(asking.scope["method"])
    if (limit := limit_of(path)).forbids(asking.headers.get("content-length", "")):
        return _too_large(limit)
    if method not in _SAFE_METHODS and (why := _foreign(asking)):
        return JSONResponse({"detail": why}, 403)
    if _public(path, method):
        return None
    if annotator is None:
        return _ask_to_sign_in(asking)
    if _under(path, _ADMIN) and annotator.role is not Role.ADMIN:
        return _admins_only(asking)
    return JSONResponse({"detail": "Not found."}, 404) if _closed(path) else None


def _too_large(limit: BodyLimit) -> Response:
    values = {"most": limit.most}
    return JSONResponse({"detail": TOO_LARGE.format(**values), "template": TOO_LARGE, "values": values}, 413)


def _ask_to_sign_in(asking: HTTPConnection) -> Response:
    if _wants_page(asking):
        return RedirectResponse(SIGN_IN, 303)
    return JSONResponse({"detail": "Sign in first."}, 401, {"www-authenticate": "Bearer"})


def _admins_only(asking: HTTPConnection) -> Response:
    if _wants_page(asking):
        return HTMLResponse(_ADMINS_ONLY, 403)
    return JSONResponse({"detail": "This is for admins."}, 403)


def _path(asking: HTTPConnection) -> str:
    """The path as the routes will see it, which is without a proxy's prefix."""
    path, prefix = str(asking.scope["path"]), str(asking.scope.get("root_path", ""))
    return path.removeprefix(prefix) if prefix and _under(path, prefix) else path


def _under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _public(path: str, method: str) -> bool:
    """Whether strangers may ask for it."""
    if method == "POST":
        return path in _PUBLIC_POSTS
    return method in _SAFE_METHODS and (path in _PUBLIC or _under(path, _MODULES))


def _foreign(asking: HTTPConnection) -> str | None:
    """Why a request counts as one that a page of another origin sent, None if it does not.

    Programs send neither header, and no cookie unasked.
    """
    origin = asking.headers.get("origin")
    if origin is not None:
        try:
            page = urlsplit(origin)
        except ValueError:
            return _OTHER_SITE
        host, scheme = asking.headers.get("host", ""), str(asking.scope["scheme"])
        if _without_default_port(page.netloc, page.scheme) != _without_default_port(host, scheme):
            return _OTHER_SITE
        if page.scheme != scheme:
            return _OTHER_SCHEME.format(page=page.scheme, request=scheme)
    site = asking.headers.get("sec-fetch-site", "same-origin")
    return None if site in ("same-origin", "none") else _OTHER_SITE


def _without_default_port(host: str, scheme: str) -> str:
    return host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ":"))


def _wants_page(asking: HTTPConnection) -> bool:
    return asking.scope["method"] in _SAFE_METHODS and "text/html" in asking.headers.get("accept", "")


def _closed(path: str) -> bool:
    """Whether it is one of Gradio's routes that our pages do not use: uploads, files, proxies, docs, ..."""
    if not _under(path, _GRADIO_MOUNT):
        return False
    rest = path.removeprefix(_GRADIO_MOUNT)
    return rest not in _OPEN_GRADIO and not rest.startswith(_OPEN_GRADIO_UNDER)


def _is_gradio_file(path: str) -> bool:
    """Whether it is the same for everybody: a script, a style, a picture."""
    return _under(path, _GRADIO_MOUNT) and path.removeprefix(_GRADIO_MOUNT).startswith(_GRADIO_FILES)
