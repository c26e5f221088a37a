"""python -m tests.browser.thinking_server HOME [open | live]: the pages over a model that reasons before it answers.

With `open` the reasoning is unfolded from the start; with `live` every pair is written while one watches.
"""

import asyncio
import sys
from pathlib import Path

from app.annotation.queue_settings import ShownReasoning
from tests.app.pages_stage import HOSTILE, TRAINING_ALONE
from tests.browser.canned_server import serve

REASONED = (
    "<think>\nThe user wants to know how long an egg takes. Let me consider the *size* first.\n\n"
    "1. A small egg: five minutes.\n2. A large one: seven.\n\nSo seven, to be safe; and cold water afterwards stops it."
    "\n</think>\n\nA large egg takes **seven minutes** from the moment the water boils. Then put it under cold water.",
    f"<think>\nSomebody asks me to say strange things: {HOSTILE}\n</think>\n\nI would rather talk about eggs.",
    "Seven minutes.\n\nThat is all there is to it.",
    "<think>\nHow long does an egg take? Let me see. It depends on the size, on the height above the sea, on",
)


async def main(home: Path, mode: str) -> None:
    shown = ShownReasoning.OPEN if mode == "open" else ShownReasoning.FOLDED
    queue = TRAINING_ALONE.model_copy(update={"reasoning": shown})
    await serve(home, answers=REASONED, queue=queue, buffer=0 if mode == "live" else 16, pause=0.5)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))
