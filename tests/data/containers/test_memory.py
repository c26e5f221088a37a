"""Writing and reading many rows takes no more memory than few."""

import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import sys
from pathlib import Path
import pyarrow as pa
from data.containers.container import FileLimits
from data.containers.registry import by_name, opening

TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema([("prompt", TURNS), ("chosen", pa.string()), ("rejected", pa.string()), ("tie", pa.bool_())])

def rows(many):
    for number in range(many):
        text = f"{number} " * 100
        yield {"prompt": [{"role": "user", "content": text}], "chosen": text, "rejected": "x", "tie": False}

path, name, many = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
by_name(name).write(path, SCHEMA, {"train": rows(many)})
_, numbered = opening(path).read(path, FileLimits())
assert sum(len(row) == 4 for _, row in numbered) == many
# ru_maxrss would begin with what the test process has
[peak] = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(peak // 1024, "torch" in sys.modules, "datasets" in sys.modules)
"""


def peak(path: Path, name: str, many: int) -> int:
    command = [sys.executable, "-c", CHILD, str(path), name, str(many)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=280)
    megabytes, torch, datasets = done.stdout.split()
    assert (torch, datasets, done.stderr) == ("False", "False", "")
    return int(megabytes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("jsonl", "f.jsonl"),
        ("jsonl", "f.json"),
        ("jsonl", "f.jsonl.gz"),
        ("csv", "f.csv"),
        ("parquet", "f.parquet"),
        ("datasets", "saved"),
    ],
)
def test_200_000_rows_take_little_memory(tmp_path: Path, name: str, file: str) -> None:
    assert peak(tmp_path / file, name, 200_000) < 350
