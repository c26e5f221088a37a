"""The pages' scripts as ES modules: files that may be kept, since their address changes with what is in them.

They hold no data, so that strangers may have them too: the sign-in page needs some. Knows no page.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname, join, normpath

from fastapi import FastAPI
from fastapi.responses import Response

from data.errors import NotFoundError

MODULES = "/static"
_STATIC = Path(__file__).with_name("static")
_FOLDERS = ("account", "admin", "shared")
_CLASSIC = frozenset({"shared/mode.js", "shared/texts.js"})  # they stand in the <head>, to run before anything is drawn
_IMPORT = re.compile(r"^import (?:\{[^}]*\} from )?'([^']+)';$", re.MULTILINE)
_HEADERS = {"cache-control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Modules:
    """The text of every module by its name, such as admin/rounds/page.js."""

    texts: Mapping[str, str]

    @classmethod
    def read(cls) -> "Modules":
        """Those of the pages."""
        paths = sorted(path for folder in _FOLDERS for path in (_STATIC / folder).rglob("*.js"))
        texts = {path.relative_to(_STATIC).as_posix(): path.read_text(encoding="utf-8") for path in paths}
        return cls({name: text for name, text in texts.items() if name not in _CLASSIC})

    @property
    def folder(self) -> str:
        """The address under which all lie, so that they can import one another by relative paths."""
        digest = hashlib.sha256(repr(sorted(self.texts.items())).encode()).hexdigest()
        return f"{MODULES}/{digest[:12]}"

    def imports(self, name: str) -> tuple[str, ...]:
        """What a module imports, by name."""
        return tuple(normpath(join(dirname(name), path)) for path in _IMPORT.findall(self.texts[name]))

    def tags(self, name: str) -> str:
        """What a page has in its <head> to run a module once it is parsed; what that imports is asked for at once."""
        needed = [name]
        for module in needed:
            needed += [found for found in self.imports(module) if found not in needed]
        preloads = [f'<link rel="modulepreload" href="{self.folder}/{module}">' for module in needed[1:]]
        return "".join([f'<script type="module" src="{self.folder}/{name}"></script>', *preloads])


def add_modules(app: FastAPI, modules: Modules) -> None:
    """Serve the modules, and nothing else."""

    @app.get(modules.folder + "/{name:path}", include_in_schema=False)
    def module(name: str) -> Response:
        if name not in modules.texts:
            raise NotFoundError("there is no such script")
        return Response(modules.texts[name], media_type="text/javascript", headers=_HEADERS)
