"""The lineage of a home as JSON: of a running server's, or of the store itself. Knows nothing of how it is shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import quote

from fastapi.encoders import jsonable_encoder

from app.api.lineage import answer_out
from app.client.client import Client, running_server
from app.client.local import opened_store
from app.home import Home
from data.versions.lineage import Lineage


class Lineages(Protocol):
    """What can be asked, whoever answers. All raise with words for what does not exist."""

    def answer(self, number: int) -> dict[str, Any]:
        """An answer with what made it."""
        ...

    def origins(self, version: str) -> list[dict[str, Any]]:
        """A version and those it comes from."""
        ...

    def touched(self, pseudonym: str) -> list[dict[str, Any]]:
        """The rounds that used somebody's judgments."""
        ...


class StoredLineages:
    """Lineages of a store."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage

    def answer(self, number: int) -> dict[str, Any]:
        """See Lineages.answer."""
        return answer_out(self._lineage.answer(number)).model_dump(mode="json")

    def origins(self, version: str) -> list[dict[str, Any]]:
        """See Lineages.origins."""
        found: list[dict[str, Any]] = jsonable_encoder(self._lineage.origins(version))
        return found

    def touched(self, pseudonym: str) -> list[dict[str, Any]]:
        """See Lineages.touched."""
        found: list[dict[str, Any]] = jsonable_encoder(self._lineage.touched(pseudonym))
        return found


class RemoteLineages:
    """Lineages of a running server."""

    def __init__(self, server: Client) -> None:
        self._server = server

    def answer(self, number: int) -> dict[str, Any]:
        """See Lineages.answer."""
        found: dict[str, Any] = self._server.get(f"/lineage/answers/{number}")
        return found

    def origins(self, version: str) -> list[dict[str, Any]]:
        """See Lineages.origins."""
        found: list[dict[str, Any]] = self._server.get(f"/lineage/versions/{quote(version, safe='')}")
        return found

    def touched(self, pseudonym: str) -> list[dict[str, Any]]:
        """See Lineages.touched."""
        found: list[dict[str, Any]] = self._server.get(f"/lineage/annotators/{quote(pseudonym, safe='')}")
        return found


@contextmanager
def lineages(home: Home) -> Iterator[Lineages]:
    """Those of a home, by its server if one runs. Raises HomeError for no home."""
    server = running_server(home)
    if server is None:
        with opened_store(home) as store:
            yield StoredLineages(store.lineage)
        return
    with server:
        yield RemoteLineages(server)
