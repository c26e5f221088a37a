"""Writing and reading many rows takes no more memory than few."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.containers.container import FileLimits
from data.containers.registry import opening
from data.errors import InputError

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


READER = """
import sys
from pathlib import Path
from data.containers.container import FileLimits, Unreadable
from data.containers.registry import opening
from data.errors import InputError

path, rows, bad, last = Path(sys.argv[1]), 0, 0, ""
try:
    for _, row in opening(path).read(path, FileLimits())[1]:
        rows, bad = rows + 1, bad + isinstance(row, Unreadable)
        last = row.reason if isinstance(row, Unreadable) else last
except InputError as error:
    last = str(error)
[peak] = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(rows, bad, peak // 1024, last)
"""


def repeated(text: str | bytes, times: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([text]))


def one_text_in_every_row_of_ten_columns(path: Path) -> None:
    pq.write_table(pa.table({f"c{n}": repeated("y" * 7_000_000, 32) for n in range(10)}), path)


def one_text_as_bytes_in_every_row_of_ten_columns(path: Path) -> None:
    pq.write_table(pa.table({f"c{n}": repeated(b"y" * 7_000_000, 32) for n in range(10)}), path)


def one_text_in_every_row(path: Path) -> None:
    pq.write_table(pa.table({"chosen": repeated("y" * 7_000_000, 60)}), path)


def one_text_in_every_turn_of_a_row(path: Path) -> None:
    turns = pa.ListArray.from_arrays(pa.array([0, 400, 401], pa.int32()), repeated("y" * 2_000_000, 401))
    pq.write_table(pa.table({"prompt": turns}), path)


def rows_of_many_pages(path: Path, version: str = "1.0") -> None:
    """Each other row has 12 MB; all are in one row group, the rows of which have less than the limit on average."""
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    turns = [{"role": "user", "content": f"{turn} {'y' * 1000}"} for turn in range(12_000)]
    rows = pa.chunked_array([pa.array([turns, turns[:1]], kind)] * 110)
    pq.write_table(
        pa.table({"messages": rows}), path, compression="zstd", use_dictionary=False, data_page_version=version
    )


def rows_of_many_pages_v2(path: Path) -> None:
    rows_of_many_pages(path, "2.0")


def one_row_of_many_values(path: Path) -> None:
    values = pa.Array.from_buffers(pa.int8(), 40_000_000, [None, pa.py_buffer(bytes(40_000_000))])
    pq.write_table(pa.table({"c": pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)}), path)


def one_long_text_among_short_ones(path: Path) -> None:
    texts = pa.chunked_array([pa.array(["y" * 280_000_000]), pa.array(["x"] * 1000)])
    pq.write_table(pa.table({"chosen": texts}), path, compression="zstd", use_dictionary=False, write_statistics=False)


def a_packed_text(path: Path) -> None:
    pack(path, pa.record_batch({"chosen": pa.array(["y" * 280_000_000])}), "zstd")


def pack(path: Path, batch: pa.RecordBatch, how: str) -> None:
    path.mkdir()
    packed = pa.ipc.IpcWriteOptions(compression=how)
    with pa.OSFile(str(path / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, batch.schema, options=packed) as out:
        out.write_batch(batch)
    (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "a.arrow"}]}))


@pytest.mark.parametrize(
    ("make", "name", "rows", "bad", "words"),
    [
        (one_text_in_every_row_of_ten_columns, "f.parquet", 32, 32, "no row: longer than 8 MB"),
        (one_text_as_bytes_in_every_row_of_ten_columns, "f.parquet", 32, 32, "no row: longer than 8 MB"),
        (one_text_in_every_row, "f.parquet", 60, 0, ""),
        (one_text_in_every_turn_of_a_row, "f.parquet", 2, 1, "no row: longer than 8 MB"),
        (rows_of_many_pages, "f.parquet", 220, 110, "no row: longer than 8 MB"),
        (rows_of_many_pages_v2, "f.parquet", 220, 110, "no row: longer than 8 MB"),
        (one_row_of_many_values, "f.parquet", 0, 0, "320 MB must be unpacked at once"),
        pytest.param(
            *(one_long_text_among_short_ones, "f.parquet", 0, 0, "write the file with smaller pages"),
            marks=pytest.mark.slow,
        ),
        (a_packed_text, "saved", 0, 0, "a.arrow is packed, and a batch of it has more than 256 MB when unpacked"),
    ],
)
def test_a_small_file_of_long_texts_takes_little_memory(
    tmp_path: Path, make: Callable[[Path], None], name: str, rows: int, bad: int, words: str
) -> None:
    make(tmp_path / name)
    command = [sys.executable, "-c", READER, str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    read, unreadable, megabytes, said = done.stdout.strip("\n").split(" ", 3)
    assert (int(read), int(unreadable)) == (rows, bad)
    assert words in said
    assert int(megabytes) < 450


def test_a_page_that_takes_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"chosen": ["y" * 3_000_000, *"x" * 1000]}), path, use_dictionary=False)
    monkeypatch.setattr("data.containers.parquet.MOST_HELD", 2_000_000)
    with pytest.raises(InputError, match=r"after row 0: .* 3\.00.* MB must be unpacked at once, more than 2 MB; write"):
        list(opening(path).read(path, FileLimits())[1])


def test_what_is_packed_and_short_is_read(tmp_path: Path) -> None:
    batch = pa.record_batch({"chosen": pa.array(["y" * 1000, "x"]), "n": repeated("z", 2)})
    pack(tmp_path / "saved", batch, "lz4")
    _, found = opening(tmp_path / "saved").read(tmp_path / "saved", FileLimits())
    assert [row for _, row in found] == [{"chosen": "y" * 1000, "n": "z"}, {"chosen": "x", "n": "z"}]
