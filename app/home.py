"""The home directory: where everything a server keeps lies, and how the command line finds a running one.

Knows nothing of what is in the files.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from data.db.lock import LOCK_NAME
from data.errors import HomeError
from data.support.atomic_files import replacing
from data.support.private_files import tightened


@dataclass(frozen=True, slots=True)
class ServerCard:
    """Where a running server listens, and a token that lets the owner of the home act as an admin.

    certificate: the file with that of a server that speaks TLS.
    """

    url: str
    token: str
    certificate: str | None = None


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
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"home {self.path} cannot be made: {error}; choose another with --home") from error

    def tighten(self) -> str | None:
        """Close to others what an older prefloop left open; what there is to say of it, if anything.

        Only our own files: a home may be a directory with other things in it.
        """
        try:
            # the directory first: from then on nobody else reaches what is in it
            opened = tightened([self.path], inside=False) + tightened(self._parts())
        except OSError as error:
            return (
                f"Other users of this machine can read {error.filename}, which holds what people wrote, and it cannot "
                f"be closed to them: {error.strerror}. Let its owner run `chmod -R go-rwx {self.path}`."
            )
        if not opened:
            return None
        return f"Other users of this machine could read {self.path}: {opened} files and directories closed to them."

    @property
    def kept(self) -> tuple[Path, ...]:
        """All besides the store that outlives a server, whether it is there or not."""
        return (self.path / "prefloop.toml", self.adapters, self.rounds, self.imports, self.exports)

    def publish(self, card: ServerCard) -> None:
        """Leave the card of the running server, readable by its owner only."""
        with replacing(self._card) as fresh:
            fresh.write_text(json.dumps(asdict(card)))

    def withdraw(self) -> None:
        """Take the card away: the server ends."""
        self._card.unlink(missing_ok=True)

    def card(self) -> ServerCard | None:
        """The card of the server that runs here, or ran until it was killed."""
        try:
            return ServerCard(**json.loads(self._card.read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise HomeError(
                f"home {self.path} belongs to another user of this machine; run this as its owner, or choose another "
                "with --home"
            ) from error

    def _parts(self) -> Iterator[Path]:
        """All that prefloop keeps here; of the database also what SQLite has beside it."""
        yield from self.kept
        yield from (self.path / name for name in ("server.log", LOCK_NAME, self._card.name))
        yield from self.path.glob(f"{self.database.name}*")
