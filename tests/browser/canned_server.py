"""python -m tests.browser.canned_server HOME [live | silent]: the pages over canned answers, hostile ones among them.

With `live` no pair is ever ready, so that each is written while one watches. With `silent` there are three, of a
version that says nothing against the base, whose answers were cut off.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from app.annotation.queue_settings import QueueSettings
from app.web.listening import listening
from data.records import FinishReason, NewCompletion, Role, Sampling
from data.store import PreferenceStore
from tests.app.pages_stage import ANSWERS, HOSTILE, TRAINING_ALONE, stage, web


def add_silent_version(store: PreferenceStore) -> None:
    store.versions.add("v1", round_id=None, parent="base", sha256="0" * 64)
    for prompt in store.prompts.sample(None, 3, 0):
        said = NewCompletion("base", "Well.", (5, 6, 7), (-0.5,) * 3, FinishReason.LENGTH, Sampling(), 1)
        silent = NewCompletion("v1", "", (2,), (-0.5,), FinishReason.STOP, Sampling(), 1)
        store.pairs.add_evaluation(prompt.id, said, silent, champion="base")


async def main(home: Path, mode: str) -> None:
    answers = (*ANSWERS, f"{HOSTILE}\n\n```\n{HOSTILE}\n```")
    queue = QueueSettings(gold=0, reask=0, evaluation=1) if mode == "silent" else TRAINING_ALONE
    begin = add_silent_version if mode == "silent" else None
    pause = 0.4 if mode == "live" else 0.0
    await serve(home, answers=answers, queue=queue, buffer=0 if mode else 16, pause=pause, begin=begin)


async def serve(
    home: Path,
    *,
    answers: Sequence[str],
    queue: QueueSettings,
    buffer: int,
    pause: float,
    begin: Callable[[PreferenceStore], None] | None = None,
) -> None:
    """Serve the pages over canned answers and say the link that signs the admin in; begin: what is there already.

    Robots judge faster than anyone reads, and shall train.
    """
    async with stage(
        home, buffer=buffer, pause=pause, prompts=120, answers=answers, queue=queue, too_fast=0
    ) as services:
        if begin is not None:
            begin(services.store)
        app = web(services)
        boss = services.accounts.add("boss", Role.ADMIN, "correct horse")
        services.accounts.add("ann", Role.ANNOTATOR, "correct horse")
        with listening("127.0.0.1", 0) as at:
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
            serving = asyncio.create_task(server.serve(sockets=[*at.sockets]))
            while not (server.started or serving.done()):
                await asyncio.sleep(0.02)
            sys.stdout.write(f"{at.url}/auth/link?token={services.accounts.make_link(boss.id)}\n")
            await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))
