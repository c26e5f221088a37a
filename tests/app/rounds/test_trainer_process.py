"""The trainer's process, killed in every way, with what the machine says injected."""

import os
import signal
import sys
from pathlib import Path

import pytest

from app.rounds.trainer_process import MemoryWatch, TrainerProcess, held_by
from data.errors import RoundError
from tests.app.until import until
from trainer.interface.memory_use import MemoryUse
from trainer.interface.round_dir import RoundDir
from trainer.model.machine_memory import MachineMemory

GIB = 2**30
DIE = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
USE = MemoryUse(token_budget=1024, recompute_above=None)


class Machine:
    """What a kernel would say: how much is free, and a kill more with every look if it kills."""

    def __init__(self, *, free: int = 10 * GIB, kills: bool = False) -> None:
        self._free = free
        self._kills = kills
        self._count = 7

    def free(self) -> int:
        return self._free

    def kills(self) -> int:
        self._count += self._kills
        return self._count


@pytest.fixture
def directory(tmp_path: Path) -> RoundDir:
    directory = RoundDir(tmp_path / "round")
    directory.path.mkdir()
    return directory


def trainer(directory: RoundDir, body: str, machine: Machine, held: int = GIB) -> TrainerProcess:
    """A trainer of a few lines, which notes each start; `runs` is how often it has started."""
    file = directory.path.with_name("trainer.py")
    file.write_text(
        "import pathlib, sys\ndirectory = pathlib.Path(sys.argv[1])\n"
        "with (directory / 'runs').open('a') as stream: stream.write('.')\n"
        f"runs = len((directory / 'runs').read_text())\n{body}\n"
    )
    return TrainerProcess((sys.executable, str(file)), memory=machine, held=lambda _: held)


def runs(directory: RoundDir) -> int:
    return len((directory.path / "runs").read_text())


def wanted() -> None:
    return None


async def test_its_exit_status_is_given_back(directory: RoundDir) -> None:
    assert await trainer(directory, "sys.exit(3)", Machine()).carry_through(directory, wanted) == 3
    assert runs(directory) == 1


async def test_killed_by_somebody_it_is_started_once_more_with_what_it_had(directory: RoundDir) -> None:
    directory.set_memory(USE)
    assert await trainer(directory, DIE, Machine()).carry_through(directory, wanted) == -signal.SIGKILL
    assert runs(directory) == 2
    assert directory.memory() == USE


async def test_killed_by_the_kernel_it_goes_on_with_half_as_often_as_needed(directory: RoundDir) -> None:
    directory.set_memory(USE)
    body = f"if runs < 3:\n    {DIE}"
    assert await trainer(directory, body, Machine(kills=True)).carry_through(directory, wanted) == 0
    assert directory.memory() == MemoryUse(token_budget=256, recompute_above=None, kills=2)


async def test_without_a_count_of_kills_nearly_all_the_memory_tells(directory: RoundDir) -> None:
    directory.set_memory(USE)
    body = f"import time\nif runs < 2:\n    time.sleep(0.5)\n    {DIE}"
    full = trainer(directory, body, Machine(free=GIB // 20), held=GIB)
    assert await full.carry_through(directory, wanted) == 0
    lowered = directory.memory()
    assert lowered is not None and lowered.token_budget == 512


async def test_a_trainer_that_the_least_is_too_much_for_fails_in_words(directory: RoundDir) -> None:
    directory.set_memory(USE)
    with pytest.raises(RoundError, match=r"killed for want of memory 3 times, at last with 256 tokens at a time; free"):
        await trainer(directory, DIE, Machine(kills=True)).carry_through(directory, wanted)
    assert runs(directory) == 3


async def test_killed_before_it_has_said_what_it_takes_it_is_started_once_more(directory: RoundDir) -> None:
    status = await trainer(directory, DIE, Machine(kills=True)).carry_through(directory, wanted)
    assert (status, runs(directory)) == (-signal.SIGKILL, 2)


async def test_another_signal_is_never_for_memory(directory: RoundDir) -> None:
    directory.set_memory(USE)
    segfault = DIE.replace("SIGKILL", "SIGSEGV")
    status = await trainer(directory, segfault, Machine(kills=True)).carry_through(directory, wanted)
    assert (status, runs(directory), directory.memory()) == (-signal.SIGSEGV, 2, USE)


async def test_nobody_starts_what_nobody_wants(directory: RoundDir) -> None:
    def unwanted() -> None:
        raise RoundError("cancelled")

    with pytest.raises(RoundError, match="cancelled"):
        await trainer(directory, "", Machine()).carry_through(directory, unwanted)
    assert not (directory.path / "runs").exists()


@pytest.mark.parametrize(("held", "free", "out"), [(90, 10, False), (91, 9, True), (5, 100, False), (0, 0, False)])
def test_nearly_all_is_more_than_nine_tenths_of_what_it_could_have(held: int, free: int, out: bool) -> None:
    watch = MemoryWatch(Machine(free=free))
    watch.look(held)
    watch.look(0)
    assert watch.ran_out() is out


def test_what_a_process_holds_is_what_the_kernel_says() -> None:
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
    assert held_by(os.getpid()) == pytest.approx(resident, rel=0.2)
    assert held_by(2**22 + 1) == 0


V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")


@pytest.fixture
def limited(tmp_path: Path) -> Path:
    """A real cgroup with a limit of 300 MiB, and the file that says a process is in it."""
    if os.geteuid() != 0:
        pytest.skip("only root may limit a cgroup")
    name = f"prefloop-test-{os.getpid()}"
    proc = tmp_path / "cgroup"
    try:
        if (V1 / "memory.limit_in_bytes").exists():
            group, limit = V1 / name, "memory.limit_in_bytes"
            proc.write_text(f"4:memory:/{name}\n")
        else:
            group, limit = V2 / name, "memory.max"
            proc.write_text(f"0::/{name}\n")
        group.mkdir()
        (group / limit).write_text(str(300 * 2**20))
    except OSError as error:
        pytest.skip(f"no cgroup may be limited here: {error}")
    return proc


@pytest.fixture
def group(limited: Path) -> Path:
    name = limited.read_text().strip().rpartition("/")[2]
    return (V1 if (V1 / name).exists() else V2) / name


async def test_a_real_kernel_kills_at_a_real_limit_and_half_is_taken_then(
    directory: RoundDir, limited: Path, group: Path
) -> None:
    """The trainer takes a hundred KiB a token, in a cgroup that does not hold its first budget."""
    directory.set_memory(MemoryUse(token_budget=8192, recompute_above=None))
    body = (
        f"import json, os\npathlib.Path({str(group / 'cgroup.procs')!r}).write_text(str(os.getpid()))\n"
        "tokens = json.loads((directory / 'memory.json').read_text())['token_budget']\n"
        "held = [bytearray(b'x' * 102400) for _ in range(tokens)]"
    )
    file = directory.path.with_name("trainer.py")
    file.write_text(f"import pathlib, sys\ndirectory = pathlib.Path(sys.argv[1])\n{body}\n")
    process = TrainerProcess((sys.executable, str(file)), memory=MachineMemory(proc=limited))
    assert await process.carry_through(directory, wanted) == 0
    await until(lambda: not (group / "cgroup.procs").read_text().strip())
    group.rmdir()
    lowered = directory.memory()
    assert lowered == MemoryUse(token_budget=2048, recompute_above=None, kills=2)
