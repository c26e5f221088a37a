"""A real Chromium and real servers. Sync Playwright owns the event loop: a pytest process of its own."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.servers import Server, running

_FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
)
_PATIENCE_MS = 20_000  # a machine may be busy; a test that passes does not wait
PASSWORD = "correct horse"
_READY = '.pl-board[data-state="pair"]'

Opener = Callable[[Server], Page]
Camera = Callable[[Page, str], None]
Visitors = Callable[[], BrowserContext]


def sign_in(page: Page, server: Server, login: str) -> None:
    """Sign in with the password that everybody at a canned server has, and wait for a pair."""
    page.goto(f"{server.url}/sign-in/")
    page.fill("[name=login]", login)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector(_READY)


def sign_in_by_link(page: Page, server: Server) -> None:
    """Open the link of a server's admin and press the button there."""
    page.goto(server.link)
    page.locator("form button").click()
    page.wait_for_url(lambda url: "/auth/" not in url)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        reason = "no chromium in PATH (on Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile; fails a test whose pages ask another host or throw an error."""
    context = browser.new_context(viewport={"width": 1366, "height": 820}, color_scheme="light")
    asked: set[str] = set()
    errors: list[str] = []
    context.on("request", lambda request: asked.add(re.sub(r"^(\w+:(//[^/:]*)?).*", r"\1", request.url)))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.set_default_timeout(_PATIENCE_MS)
    yield context
    context.close()
    assert asked <= {"http://127.0.0.1", "data:", "blob:"}
    assert errors == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="session")
def canned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The pages over canned answers."""
    home = tmp_path_factory.mktemp("canned")
    with running(["tests.browser.canned_server", str(home)], home) as server:
        yield server


@pytest.fixture(scope="session")
def canned_live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same, where every pair is written while one watches."""
    home = tmp_path_factory.mktemp("live")
    with running(["tests.browser.canned_server", str(home), "live"], home) as server:
        yield server


@pytest.fixture
def canned_silent(tmp_path: Path) -> Iterator[Server]:
    """The same, where a version that says nothing is compared with one that does."""
    with running(["tests.browser.canned_server", str(tmp_path), "silent"], tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`prefloop serve` where an admin decides on versions: a dozen judgments can not be told from chance.

    Its robots judge faster than anyone reads, and shall train.
    """
    home = tmp_path_factory.mktemp("home")
    (home / "prefloop.toml").write_text('promotion = "by_hand"\n[rounds]\ntoo_fast = 0\n')
    with running(["app.cli", "serve", "--home", str(home), "--port", "0"], home) as server:
        yield server


@pytest.fixture
def signed_in(page: Page) -> Opener:
    """Signs in at a canned server as "ann" with a password, and waits for a pair."""

    def open_board(server: Server, login: str = "ann") -> Page:
        sign_in(page, server, login)
        return page

    return open_board


@pytest.fixture
def another(browser: Browser) -> Iterator[Visitors]:
    """Makes a browser profile of its own for somebody else."""
    contexts: list[BrowserContext] = []

    def make() -> BrowserContext:
        contexts.append(browser.new_context())
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def camera() -> Camera:
    """Keeps a picture where PREFLOOP_SCREENSHOTS says, if it does."""
    folder = os.environ.get("PREFLOOP_SCREENSHOTS")

    def take(page: Page, name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return take
