"""A Hugging Face hub on this machine, as far as publishing asks it, so that the real client can be tested."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import yaml
from huggingface_hub import HfApi

TOKEN = "hf_somebody"
LICENSES = {"mit", "cc0-1.0", "cc-by-4.0", "unknown", "other"}
"""Of those that the real one knows."""


class Hub:
    """Dataset repositories: whether each is private, and the files of the one that was written to."""

    def __init__(self, url: str) -> None:
        self.api = HfApi(endpoint=url, token=TOKEN)
        self.repos: dict[str, bool] = {}
        self.files: dict[str, bytes] = {}

    def create(self, body: dict[str, Any]) -> tuple[int, object]:
        """Make a repository; one that is there stays as it is."""
        repo = f"{body['organization']}/{body['name']}"
        if repo in self.repos:
            return 409, {"error": "You already created this dataset repo", "url": f"{self.api.endpoint}/{repo}"}
        assert body["type"] == "dataset"
        self.repos[repo] = body.get("visibility") == "private"
        return 200, {"url": f"{self.api.endpoint}/datasets/{repo}"}

    def validate(self, body: dict[str, Any]) -> tuple[int, object]:
        """Look at the head of a card."""
        head = yaml.safe_load(body["content"].split("---")[1])
        if head["license"] in LICENSES:
            return 200, {"errors": [], "warnings": []}
        return 400, {"errors": [{"message": '"license" must be one of [apache-2.0, mit, ...]'}]}

    def commit(self, repo: str, lines: list[dict[str, Any]]) -> tuple[int, object]:
        """Take files in and away."""
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]
        return 200, {"success": True, "commitUrl": f"{self.api.endpoint}/datasets/{repo}/commit/1", "commitOid": "1"}


@contextmanager
def hub() -> Iterator[Hub]:
    """One that listens for as long as it is needed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    listening = Thread(target=server.serve_forever)
    listening.start()
    try:
        _Answers.hub = Hub(f"http://127.0.0.1:{server.server_port}")
        yield _Answers.hub
    finally:
        server.shutdown()
        listening.join()
        server.server_close()


class _Answers(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        repo = self.path.removeprefix("/api/datasets/").partition("/tree/")[0]
        if repo not in self.hub.repos:
            self._say(404, {"error": "Repository not found"})
        elif "/tree/" in self.path:
            files = self.hub.files.items()
            self._say(200, [{"type": "file", "path": path, "size": len(data), "oid": "0"} for path, data in files])
        else:
            self._say(200, {"id": repo, "private": self.hub.repos[repo], "tags": [], "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["authorization"] != f"Bearer {TOKEN}":
            self._say(401, {"error": "Invalid username or password."})
            return
        if self.path.endswith("/commit/main"):
            repo = self.path.removeprefix("/api/datasets/").removesuffix("/commit/main")
            self._say(*self.hub.commit(repo, [json.loads(line) for line in body.splitlines()]))
            return
        ways: dict[str, Callable[[dict[str, Any]], tuple[int, object]]] = {
            "create": self.hub.create,
            "validate-yaml": self.hub.validate,
            "main": _all_of_it,
        }
        self._say(*ways[self.path.rpartition("/")[2]](json.loads(body)))

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _say(self, status: int, body: object) -> None:
        said = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


def _all_of_it(body: dict[str, Any]) -> tuple[int, object]:
    """How files are to be sent: within the commit."""
    return 200, {
        "files": [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in body["files"]]
    }
