"""The admin's pages as they are sent."""

import re

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.pages.admin import add_admin_pages
from app.pages.modules import Modules

MODULES = Modules.read()
NAMES = sorted({name.split("/")[1] for name in MODULES.texts if name.startswith("admin/")} - {"shared"})


@pytest.fixture
def browser() -> AsyncClient:
    app = FastAPI()
    add_admin_pages(app, MODULES)
    return AsyncClient(transport=ASGITransport(app), base_url="http://loop.test")


@pytest.mark.parametrize("name", NAMES)
async def test_the_page_one_stands_on_is_marked(browser: AsyncClient, name: str) -> None:
    page = (await browser.get(f"/admin/{name}/")).text
    assert set(re.findall(r'href="/admin/(\w+)/"', page)) >= set(NAMES)
    assert re.findall(r'href="/admin/(\w+)/" aria-current="page"', page) == [name]


@pytest.mark.parametrize("name", NAMES)
async def test_a_page_runs_its_own_module_and_no_other_script(browser: AsyncClient, name: str) -> None:
    page = (await browser.get(f"/admin/{name}")).text
    assert f'<script type="module" src="{MODULES.folder}/admin/{name}/page.js"></script>' in page
    assert page.count("<script") == 2  # that in the head, which says light or dark, and the language
    assert not re.search(r"@\w+@|\son[a-z]+=", page.partition("<body>")[2])
