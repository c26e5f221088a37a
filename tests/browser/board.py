"""The annotation board as a test's hands and eyes."""

from playwright.sync_api import Page

HEARS = "() => document.querySelector('.pl-board').dataset.deaf === undefined"
_NEXT = """token => {
    const board = document.querySelector('.pl-board');
    return board.dataset.state === 'pair' && board.dataset.token !== token;
}"""
_TIMER = """() => {
    window.timing?.abort();
    window.timing = new AbortController();
    const latencies = window.latencies = [];
    const options = { capture: true, signal: window.timing.signal };
    let pressed = 0;
    document.addEventListener('keydown', () => { pressed = performance.now(); }, options);
    document.addEventListener('prefloop:shown', () => requestAnimationFrame(() => {
        latencies.push(performance.now() - pressed);
    }), options);
}"""


class Board:
    """Presses keys and waits for what comes of it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def token(self) -> str:
        return self.page.get_attribute(".pl-board", "data-token") or ""

    @property
    def status(self) -> str:
        return self.page.inner_text('[data-part="status"]')

    @property
    def done(self) -> int:
        return int(self.page.get_attribute('[data-part="progress"]', "aria-valuenow") or 0)

    def press(self, key: str) -> None:
        """Press a key once the pair can have been read."""
        self.page.wait_for_function(HEARS)
        self.page.keyboard.press(key)

    def judge(self, key: str) -> None:
        """Press a key and wait for the next pair."""
        token = self.token
        self.press(key)
        self.page.wait_for_function(_NEXT, arg=token)

    def time_keys(self) -> None:
        """From now on measure, in the page, from each key press to the frame that has the next pair."""
        self.page.evaluate(_TIMER)

    @property
    def latencies(self) -> list[float]:
        """What was measured, once the last frame is out."""
        self.page.wait_for_timeout(100)
        return [float(ms) for ms in self.page.evaluate("() => window.latencies")]
