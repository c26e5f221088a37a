"""The REST API as the command line and synthetic annotators see it: HTTP with a bearer token.

Knows nothing of what becomes of a request.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx

from app.home import Home
from app.tls import trusting
from data.errors import PrefloopError
from data.support.atomic_files import replacing
from data.support.disk import written_to

if TYPE_CHECKING:
    from app.client.opened_home import OpenedHome

_TIMEOUT_SECONDS = 120.0


class Client:
    """One person's view of the API.

    transport: what carries requests in place of the network; opened: the home, if this process has it open itself.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        certificate: str | None = None,
        transport: httpx.BaseTransport | None = None,
        opened: "OpenedHome | None" = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url
        self.certificate = certificate
        self.opened = opened
        self._client = httpx.Client(
            base_url=f"{url}/api/v1",
            headers=headers,
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            verify=_trust(certificate),
            transport=transport,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def sign_in(self, login: str, password: str) -> None:
        """Become a person."""
        token = self.post("/session", login=login, password=password)["token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: str | int | list[str]) -> Any:
        """GET; the answer's JSON. Raises PrefloopError with the server's own words."""
        return self._take(lambda: self._client.get(path, params=query))

    def post(self, path: str, **body: object) -> Any:
        """POST a JSON object; the answer's JSON, None if empty. Raises PrefloopError with the server's own words."""
        return self._take(lambda: self._client.post(path, json=body))

    def post_and_wait(self, path: str, **body: object) -> Any:
        """The same for what may take as long as it takes, such as reading all that people said."""
        return self._take(lambda: self._client.post(path, json=body, timeout=None))

    def delete(self, path: str) -> None:
        """DELETE. Raises PrefloopError with the server's own words."""
        self._take(lambda: self._client.delete(path))

    def text(self, path: str) -> str:
        """GET; the answer as it is, for what is no JSON. Raises PrefloopError with the server's own words."""
        return self._ask(lambda: self._client.get(path)).text

    def download(self, path: str, out: Path, **query: str) -> int:
        """GET lines into a file, which appears whole or not at all; returns how many lines."""
        try:
            with written_to(out), replacing(out) as part, self._client.stream("GET", path, params=query) as response:
                if response.is_error:
                    response.read()
                    raise PrefloopError(_words(response))
                with part.open("wb") as stream:
                    for block in response.iter_bytes():
                        stream.write(block)
        except httpx.TransportError as error:
            raise PrefloopError(f"the download from {self._client.base_url} broke off: {error}") from error
        with out.open("rb") as stream:
            return sum(1 for _ in stream)

    def upload(self, path: str, file: Path, **query: str) -> Any:
        """POST a file's bytes; the answer's JSON. Raises PrefloopError, also when the file cannot be read."""
        try:
            with file.open("rb") as stream:
                return self._take(lambda: self._client.post(path, params=query, content=stream, timeout=None))
        except OSError as error:
            raise PrefloopError(f"{file} cannot be read: {error.strerror}") from error

    def _take(self, ask: Callable[[], httpx.Response]) -> Any:
        response = self._ask(ask)
        return response.json() if response.content else None

    def _ask(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        try:
            response = ask()
        except httpx.TransportError as error:
            raise PrefloopError(f"the server at {self._client.base_url} does not answer: {error}") from error
        if response.is_error:
            raise PrefloopError(_words(response))
        return response


def running_server(home: Home) -> Client | None:
    """The server that runs on a home, as its owner; None when none does."""
    card = home.card()
    if card is None:
        return None
    try:
        trust = _trust(card.certificate)
        httpx.get(f"{card.url}/healthz", timeout=5.0, trust_env=False, verify=trust).raise_for_status()
    except httpx.HTTPError:
        return None
    return Client(card.url, card.token, certificate=card.certificate)


def _trust(certificate: str | None) -> ssl.SSLContext | bool:
    return True if certificate is None else trusting(Path(certificate))


def _words(response: httpx.Response) -> str:
    try:
        detail = response.json()["detail"]
        return _unfit(detail[0]) if isinstance(detail, list) else str(detail)
    except (ValueError, KeyError, TypeError, IndexError):
        return f"the server answered {response.status_code}"


def _unfit(problem: dict[str, Any]) -> str:
    """What is wrong with what was sent, by its name: where it was sent, in body or path, is nobody's business."""
    return f"{'.'.join(map(str, problem['loc'][1:]))}: {problem['msg']}"
