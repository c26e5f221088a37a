"""The home directory: where everything a server keeps lies, and how the command line finds a running one.

Knows nothing of what is in the files.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from data.errors import HomeError


@dataclass(frozen=True, slots=True)
class ServerCard:
    """Where a running server listens, and a token that lets the owner of the home act as an admin."""

    url: str
    token: str


class Home:
    """A home directory by its parts."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.database = self.path / "prefloop.db"
        self.adapters = self.path / "adapters"
        self.rounds = self.path / "rounds"
        self.imports = self.path / "imports"
        self.exports = self.path / "exports"
        self._card = self.path / "server.json"

    def create(self) -> None:
        """Make the directory. Raises HomeError when that is impossible."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"home {self.path} cannot be made: {error}; choose another with --home") from error

    def publish(self, card: ServerCard) -> None:
        """Leave the card of the running server, readable by its owner only."""
        self._card.unlink(missing_ok=True)
        self._card.touch(mode=0o600)
        self._card.write_text(json.dumps({"url": card.url, "token": card.token}))

    def withdraw(self) -> None:
        """Take the card away: the server ends."""
        self._card.unlink(missing_ok=True)

    def card(self) -> ServerCard | None:
        """The card of the server that runs here, or ran until it was killed."""
        if not self._card.exists():
            return None
        return ServerCard(**json.loads(self._card.read_text()))
