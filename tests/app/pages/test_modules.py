"""The pages' scripts: what each imports is there, and they are served to be kept."""

import re

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.pages.modules import Modules, add_modules

MODULES = Modules.read()
IMPORTED = re.compile(r"^import \{ ([^}]*) \} from", re.MULTILINE)
EXPORTED = re.compile(r"^export const (?:(\w+)|\{ ([^}]*) \})", re.MULTILINE)


def exported(name: str) -> set[str]:
    """The names that a module exports."""
    found = EXPORTED.findall(MODULES.texts[name])
    return {name for one, several in found for name in (one, *several.split(", ")) if name}


def imported(name: str) -> list[tuple[str, set[str]]]:
    """The modules that a module imports names from, each with the names."""
    lines = [line for line in MODULES.texts[name].splitlines() if line.startswith("import ")]
    named = [set(found[1].split(", ")) if (found := IMPORTED.match(line)) else set() for line in lines]
    return list(zip(MODULES.imports(name), named, strict=True))


@pytest.mark.parametrize("name", MODULES.texts)
def test_what_a_module_imports_is_exported_there_and_used_here(name: str) -> None:
    for module, names in imported(name):
        assert names - exported(module) == set()
    body = re.sub(r"^import .*$", "", MODULES.texts[name], flags=re.MULTILINE)
    used = set(re.findall(r"[\w$]+", body))
    assert {name for _, names in imported(name) for name in names} - used == set()


@pytest.mark.parametrize("name", MODULES.texts)
def test_no_module_imports_itself_by_way_of_others(name: str) -> None:
    reached = list(MODULES.imports(name))
    for module in reached:
        reached += [found for found in MODULES.imports(module) if found not in reached]
    assert name not in reached


@pytest.mark.parametrize("name", MODULES.texts)
def test_what_is_for_admins_is_imported_by_their_pages_alone(name: str) -> None:
    folder = name.partition("/")[0]
    assert {module.partition("/")[0] for module in MODULES.imports(name)} <= {folder, "shared"}


def test_what_runs_before_anything_is_drawn_is_no_module() -> None:
    assert not {"shared/mode.js", "shared/texts.js", "annotate/board.js"} & MODULES.texts.keys()


def test_a_page_asks_at_once_for_all_that_its_script_imports() -> None:
    texts = dict.fromkeys(("a/d.js", "e.js"), "")
    texts |= {"a/b.js": "import { c } from '../c.js';\nimport './d.js';\n", "c.js": "import './e.js';\n"}
    modules = Modules(texts)
    tags = modules.tags("a/b.js")
    assert tags.startswith(f'<script type="module" src="{modules.folder}/a/b.js"></script>')
    assert re.findall(r'"modulepreload" href="/static/\w{12}/([^"]+)"', tags) == ["c.js", "a/d.js", "e.js"]


def test_the_address_changes_with_what_is_in_a_module() -> None:
    assert Modules({"a.js": "1"}).folder == Modules({"a.js": "1"}).folder != Modules({"a.js": "2"}).folder


@pytest.fixture
def browser() -> AsyncClient:
    app = FastAPI()
    add_modules(app, MODULES)
    return AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://loop.test")


async def test_a_module_is_served_to_be_kept(browser: AsyncClient) -> None:
    answer = await browser.get(f"{MODULES.folder}/admin/rounds/page.js")
    assert answer.status_code == 200
    assert answer.text == MODULES.texts["admin/rounds/page.js"]
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("path", ["shared/texts.zh.json", "admin/rounds/page.html", "../layout.py", "shared/mode.js"])
async def test_nothing_else_is_served(browser: AsyncClient, path: str) -> None:
    assert (await browser.get(f"{MODULES.folder}/{path}")).status_code != 200
