"""The limits of cgroups, from files as kernels write them."""

from pathlib import Path

import psutil
import pytest

from trainer.model.machine_memory import MachineMemory

GIB = 2**30


def write(group: Path, **files: str) -> None:
    group.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (group / name.replace("__", ".")).write_text(text)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    (tmp_path / "mount").mkdir()
    return tmp_path / "mount"


@pytest.fixture
def memory(proc: Path, mount: Path) -> MachineMemory:
    return MachineMemory(proc, mount)


def second(proc: Path, mount: Path, *, limit: str = str(GIB), used: int = GIB // 2, dropped: int = 0) -> Path:
    """A service in a slice, as cgroup v2 has it."""
    proc.write_text("0::/slice/prefloop.service\n")
    group = mount / "slice" / "prefloop.service"
    write(
        group,
        memory__max=f"{limit}\n",
        memory__current=f"{used}\n",
        memory__stat=f"anon 5\ninactive_file {dropped}\nactive_file 9\n",
        memory__events="low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n",
    )
    return group


def first(proc: Path, mount: Path, *, limit: int = GIB, used: int = GIB // 2) -> None:
    """A container, as cgroup v1 has it: several hierarchies, of which one is of memory."""
    proc.write_text("9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n")
    write(
        mount / "memory" / "docker" / "abc",
        memory__limit_in_bytes=f"{limit}\n",
        memory__usage_in_bytes=f"{used}\n",
        memory__stat="cache 9\ninactive_file 1\ntotal_inactive_file 1000\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
    )


def test_v2_limits_what_is_free_by_what_is_used_and_cannot_be_dropped(
    memory: MachineMemory, proc: Path, mount: Path
) -> None:
    second(proc, mount, used=GIB // 2, dropped=1000)
    assert memory.limit() == GIB
    assert memory.free() == GIB // 2 + 1000


def test_v1_does_so_too(memory: MachineMemory, proc: Path, mount: Path) -> None:
    first(proc, mount)
    assert memory.limit() == GIB
    assert memory.free() == GIB // 2 + 1000


def test_a_slice_above_may_be_the_narrower_one(memory: MachineMemory, proc: Path, mount: Path) -> None:
    second(proc, mount)
    write(mount / "slice", memory__max=f"{GIB // 2 + 50}\n", memory__current=f"{GIB // 2}\n", memory__stat="")
    assert memory.free() == 50


def test_in_a_container_whose_own_group_is_not_mounted_the_mount_counts(
    memory: MachineMemory, proc: Path, mount: Path
) -> None:
    proc.write_text("0::/kubepods/pod1/abc\n")
    write(mount, memory__max="1000\n", memory__current="400\n", memory__stat="", memory__events="oom_kill 1\n")
    assert (memory.limit(), memory.free(), memory.kills()) == (1000, 600, 1)


def test_more_in_use_than_allowed_leaves_nothing(memory: MachineMemory, proc: Path, mount: Path) -> None:
    second(proc, mount, used=2 * GIB)
    assert memory.free() == 0


@pytest.mark.parametrize("limit", ["max", "9223372036854771712"])
def test_without_a_limit_the_machine_counts(memory: MachineMemory, proc: Path, mount: Path, limit: str) -> None:
    second(proc, mount, limit=limit)
    assert memory.limit() == psutil.virtual_memory().total
    assert 0 < memory.free() < memory.limit()


def test_so_it_is_where_there_are_no_cgroups(memory: MachineMemory) -> None:
    assert memory.limit() == psutil.virtual_memory().total
    assert memory.kills() == 0


def test_the_kernel_s_kills_are_counted(memory: MachineMemory, proc: Path, mount: Path) -> None:
    second(proc, mount)
    assert memory.kills() == 2
    first(proc, mount)
    assert memory.kills() == 4


def test_this_very_process_has_some_memory() -> None:
    here = MachineMemory()
    assert 0 < here.free() < here.limit() <= psutil.virtual_memory().total
    assert here.kills() >= 0
