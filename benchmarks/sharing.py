"""What people and the trainer have of one accelerator, by what serving does while a round trains.

    python -m benchmarks.sharing [--size 500M] [--people 6] [--think 1] [--judgments 60] --json FILE

For each mode of `serve_during_training`, on a home of its own: a few people judge at the desk, by the calls that pages
and API make; after so many judgments a round begins, and they go on. Told is how long a click waits for the next pair,
before and while it trains, how often there was none, what the round took, what it needed by the estimate beforehand
and by its own report, and how much of the accelerator's memory was free at most before and while it trained.

--size is a random model (benchmarks/models.py) saved on the spot; left out, it is the built-in one. A random model
knows no end: every 64th id ends an answer.
"""

import argparse
import asyncio
import json
import random
import secrets
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from app.annotation.queue_settings import QueueSettings
from app.home import Home
from app.rounds.serve_during_training import ServeDuringTraining
from app.services import Services
from app.settings.open_store import open_store
from app.settings.settings import Settings
from app.startup import open_services, running
from app.versions.promotion import Promotion
from benchmarks.models import EOS, FIRST_ID, SIZES, random_base
from data.errors import PrefloopError
from data.records import Annotator, Choice, Lease, Role, RoundState, Sampling, Verdict
from trainer.interface.model_settings import BUILT_IN, ModelSettings
from trainer.interface.round_dir import RoundDir
from trainer.model.base import load_base
from trainer.preflight.memory_estimate import MemoryEstimate, free_bytes
from trainer.preflight.model_check import check_training

_ENDS = 64
_PROMPTS = 200
_PROMPT_WORDS = 96
_PAUSE_SECONDS = 0.2
_MIB = 2**20
_OVER = (RoundState.WAITING, RoundState.REFUSED, RoundState.FAILED)


@dataclass
class Phase:
    """Clicks until a time: milliseconds until the next pair was there; how often there was none to be had."""

    waits: list[float] = field(default_factory=list)
    none: int = 0

    @property
    def median(self) -> float:
        """Of the waits, in ms."""
        return statistics.median(self.waits) if self.waits else float("nan")

    @property
    def p95(self) -> float:
        """Of the waits, in ms."""
        return statistics.quantiles(self.waits, n=20)[-1] if len(self.waits) > 1 else float("nan")


@dataclass(frozen=True, slots=True)
class Row:
    """One mode. Waits in ms, memory in MiB; estimate: what the round was thought to need at least."""

    model: str
    mode: str
    before: int
    before_median: float
    before_p95: float
    during: int
    during_median: float
    during_p95: float
    none: int
    state: str
    seconds: float
    estimate: float
    trainer_peak: float
    free_before: float
    free_during: float
    device: str


class Crowd:
    """People at the desk; `phase` is where their clicks count."""

    def __init__(self, services: Services, people: list[Annotator], think: float) -> None:
        self.phase = Phase()
        self._services = services
        self._think = think
        self._working = [asyncio.create_task(self._work(person)) for person in people]

    async def leave(self) -> None:
        """Send everybody home."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _work(self, person: Annotator) -> None:
        source = random.Random(person.id)
        lease = await self._next(person)
        while True:
            await asyncio.sleep(source.uniform(0.5 * self._think, 1.5 * self._think))
            if lease is None:
                lease = await self._next(person)
                continue
            verdict = Verdict(source.choice((Choice.A, Choice.B)), strength=2)
            began = time.monotonic()
            await self._services.desk.judge(person, lease.token, verdict, secrets.token_hex(16))
            lease = await self._next(person)
            self.phase.waits.append(1000 * (time.monotonic() - began))

    async def _next(self, person: Annotator) -> Lease | None:
        """What the page does: a ready pair, else one made while the person waits, else none."""
        lease = await self._services.desk.next(person)
        if lease is not None:
            return lease
        try:
            async for live in self._services.desk.live(person):
                lease = live.lease
        except PrefloopError:
            pass  # the model has left for the while: the page says so, and asks again
        self.phase.none += lease is None
        return lease


async def measure(settings: Settings, folder: Path, *, people: int, think: float, judgments: int) -> Row:
    """One home, one mode."""
    home = Home(folder)
    home.create()
    with open_store(home, settings) as store:
        hired = [store.people.add(f"person-{number}", Role.ANNOTATOR) for number in range(people)]
        async with open_services(home, settings, store) as services, running(services):
            await services.feeder.fill(120)
            crowd = Crowd(services, hired, think)
            device = services.base.model.device
            twin = load_base(services.base.name)  # the other is at work
            activations = check_training(twin, rank=services.training_settings.of().rank).activations
            while len(crowd.phase.waits) < judgments:
                await asyncio.sleep(_PAUSE_SECONDS)
            before, free_before = crowd.phase, free_bytes(device)
            began = time.monotonic()
            round_ = await services.rounds.start(None)
            crowd.phase, least = Phase(), free_before
            while (state := store.rounds.by_id(round_.id).state) not in _OVER:
                least = min(least, free_bytes(device))
                await asyncio.sleep(_PAUSE_SECONDS)
            seconds, during = time.monotonic() - began, crowd.phase
            await crowd.leave()
            directory = RoundDir(home.rounds / f"{round_.id:06d}")
            manifest = directory.manifest()
            if manifest is None:
                raise RuntimeError(f"{settings.serve_during_training}: {store.rounds.by_id(round_.id)}")
            return Row(
                model=Path(settings.model.name).name,
                mode=settings.serve_during_training,
                before=len(before.waits),
                before_median=before.median,
                before_p95=before.p95,
                during=len(during.waits),
                during_median=during.median,
                during_p95=during.p95,
                none=during.none,
                state=state,
                seconds=seconds,
                estimate=MemoryEstimate.of(directory, services.base, activations, free=free_before).bytes / _MIB,
                trainer_peak=manifest.report.memory_mb,
                free_before=free_before / _MIB,
                free_during=least / _MIB,
                device=_device(),
            )


def saved(size: str, path: Path) -> Path:
    """A random model in a directory, as people bring theirs, and prompts beside it."""
    base = random_base(size)
    base.model.generation_config.eos_token_id = [EOS, *range(FIRST_ID, SIZES[size].vocabulary, _ENDS)]
    torch.nn.Module.to(base.model, torch.bfloat16).save_pretrained(path)
    base.tokenizer.save_pretrained(path)
    source = random.Random(0)
    words = [f"w{number}" for number in range(FIRST_ID, SIZES[size].vocabulary)]
    (path / "prompts.txt").write_text(
        "".join(" ".join(source.choices(words, k=_PROMPT_WORDS)) + "\n" for _ in range(_PROMPTS))
    )
    return path


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table("mode", "judged", "next pair, ms", "p95", "judged while", "next pair, ms", "p95", "none", "round, s")
    for heading in ("estimate, MiB", "its peak", "free before", "while"):
        table.add_column(heading)
    for r in rows:
        before = str(r.before), f"{r.before_median:.0f}", f"{r.before_p95:.0f}"
        during = str(r.during), f"{r.during_median:.0f}", f"{r.during_p95:.0f}", str(r.none), f"{r.seconds:.0f}"
        memory = (f"{one:.0f}" for one in (r.estimate, r.trainer_peak, r.free_before, r.free_during))
        table.add_row(r.mode, *before, *during, *memory)
    Console(width=160).print(f"{rows[0].model}, {rows[0].device}", table)


def main() -> None:
    """Measure, print a table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES))
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--think", type=float, default=1.0, help="seconds that people look at a pair")
    parser.add_argument("--judgments", type=int, default=60, help="before the round")
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = saved(given.size, folder / given.size.replace(" ", "-")) if given.size else None
        for mode in ServeDuringTraining:
            settings = Settings(
                model=ModelSettings(name=str(model or BUILT_IN)),
                prompts=model and model / "prompts.txt",
                serve_during_training=mode,
                promotion=Promotion.BY_HAND,
                sampling=Sampling(max_new_tokens=64),
                queue=QueueSettings(overlap=0.0),
                buffer=32,
            )
            rows.append(
                asyncio.run(
                    measure(settings, folder / mode, people=given.people, think=given.think, judgments=given.judgments)
                )
            )
            given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    show(rows)


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


if __name__ == "__main__":
    main()
