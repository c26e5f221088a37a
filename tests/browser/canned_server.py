"""python -m tests.browser.canned_server HOME [live]: the pages over canned answers, hostile ones among them.

With `live` no pair is ever ready, so that each is written while one watches.
"""

import asyncio
import sys
from pathlib import Path

import uvicorn

from app.server import bind
from data.records import Role
from tests.app.pages_stage import ANSWERS, HOSTILE, stage, web


async def main(home: Path, live: bool) -> None:
    answers = (*ANSWERS, f"{HOSTILE}\n\n```\n{HOSTILE}\n```")
    async with stage(
        home, buffer=0 if live else 16, pause=0.4 if live else 0.0, prompts=120, answers=answers
    ) as services:
        app = web(services)
        boss = services.accounts.add("boss", Role.ADMIN, "correct horse")
        services.accounts.add("ann", Role.ANNOTATOR, "correct horse")
        with bind("127.0.0.1", 0) as listener:
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not (server.started or serving.done()):
                await asyncio.sleep(0.02)
            port = listener.getsockname()[1]
            sys.stdout.write(f"http://127.0.0.1:{port}/auth/link?token={services.accounts.make_link(boss.id)}\n")
            await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), "live" in sys.argv))
