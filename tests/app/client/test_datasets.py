import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from app.client.client import Client
from app.client.datasets import datasets_of
from app.client.in_process import in_process
from app.home import Home
from data.errors import InputError, PrefloopError
from data.records import ImportKind

SLOW_SECONDS = 1.0


class Slow(BaseHTTPRequestHandler):
    """Takes its time over a preview; of an errand it says that it failed."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.path.endswith("/preview"):
            time.sleep(SLOW_SECONDS)
            said: dict[str, object] = {"counts": {}, "rows": []}
        else:
            said = {"state": "failed", "result": None, "reason": {"words": "no {room} here", "values": {}}}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def slow_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A server that takes longer than most answers may."""
    monkeypatch.setattr("app.client.client._TIMEOUT_SECONDS", SLOW_SECONDS / 5)
    server = HTTPServer(("127.0.0.1", 0), Slow)
    listening = Thread(target=server.serve_forever)
    listening.start()
    with Client(f"http://127.0.0.1:{server.server_port}") as client:
        yield client
    server.shutdown()
    listening.join()
    server.server_close()


def test_a_preview_may_take_as_long_as_it_takes(slow_server: Client, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    datasets = datasets_of(slow_server, Home(tmp_path))
    assert datasets.preview({}, lambda done, of: told.append((done, of))) == {"counts": {}, "rows": []}
    assert told == [(0, None)]


def test_settings_that_cannot_be_read_stop_nothing_but_the_sending_of_a_directory(
    slow_server: Client, tmp_path: Path
) -> None:
    (tmp_path / "prefloop.toml").write_text("imports = nonsense")
    datasets = datasets_of(slow_server, Home(tmp_path))
    assert datasets.preview({}, lambda done, of: None) == {"counts": {}, "rows": []}
    with pytest.raises(InputError, match=r"prefloop\.toml cannot be read"):
        datasets.inspect(tmp_path, ImportKind.PREFERENCES, {}, lambda done, of: None)


def test_words_with_braces_are_passed_on(slow_server: Client, tmp_path: Path) -> None:
    datasets = datasets_of(slow_server, Home(tmp_path))
    with pytest.raises(PrefloopError, match=r"no {room} here"):
        datasets.publish({}, "me/eggs", lambda done, of: None, private=True)


def test_a_home_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.datasets.export_tally._TOLD_EVERY", 1)
    monkeypatch.setattr("app.datasets.importer.MOST_ROWS", 2)
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"{n}?", "chosen": "a", "rejected": "b"}) + "\n" for n in range(5)))
    told: list[tuple[int, int | None]] = []

    def tell(done: int, of: int | None) -> None:
        told.append((done, of))

    home = Home(tmp_path / "home")
    with in_process(home, make=True) as client:
        datasets = datasets_of(client, home)
        seen = datasets.inspect(file, ImportKind.PREFERENCES, {}, tell)
        assert set(told) == {(0, None)}  # of a file that is read it is told every thousand rows
        told.clear()
        datasets.save(seen, tell)
        # also while nothing happens, so that it can be broken off
        assert [one for one in dict.fromkeys(told) if one != (0, 5)] == [(2, 5), (4, 5), (5, 5)]
        told.clear()
        datasets.preview({}, tell)
    assert told == [(done, 5) for done in range(1, 6)]
