"""Small files that unpack to very much: each is answered within the time that looking at it may take."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.file_reading import process as file_process
from app.file_reading.look import Brought
from app.file_reading.process import inspect
from data.containers.container import FileLimits
from data.errors import InputError
from data.records import ImportKind

ROW = b'{"prompt":"a","chosen":"b","rejected":"c"}'
MB = 1_000_000


def packed(begin: bytes, block: bytes, times: int) -> Callable[[Path], object]:
    """A gzip file of one member many times, which costs nothing to make."""
    return lambda path: path.write_bytes(gzip.compress(begin) + gzip.compress(block) * times)


def plain(content: bytes, times: int = 1) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content * times)


def table(columns: Callable[[], dict[str, pa.Array]], **how: object) -> Callable[[Path], object]:
    return lambda path: pq.write_table(pa.table(columns()), path, **how)


def texts(value: str, rows: int) -> Callable[[], dict[str, pa.Array]]:
    def columns() -> dict[str, pa.Array]:
        column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))
        return {"prompt": column, "chosen": column, "rejected": column}

    return columns


def nulls(rows: int, kind: pa.DataType) -> Callable[[], dict[str, pa.Array]]:
    return lambda: {name: pa.nulls(rows, kind) for name in ("prompt", "chosen", "rejected")}


def saved(batch: Callable[[], dict[str, pa.Array]], how: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        path.mkdir()
        rows = pa.record_batch(batch())
        packing = pa.ipc.IpcWriteOptions(compression=how)
        with (
            pa.OSFile(str(path / "a.arrow"), "wb") as file,
            pa.ipc.new_stream(file, rows.schema, options=packing) as out,
        ):
            out.write_batch(rows)
        (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "a.arrow"}]}))

    return write


LIST = pa.list_(pa.string())
BOMBS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "rows without end": ("a.jsonl.gz", packed(b"", (ROW + b"\n") * 200_000, 300)),
    "empty objects": ("a.jsonl.gz", packed(b"", b"{}\n" * 3_000_000, 60)),
    "blank lines": ("a.jsonl.gz", packed(ROW + b"\n", b"\n" * 10 * MB, 60)),
    "one line of zeros": ("a.jsonl.gz", packed(ROW + b"\n", bytes(10 * MB), 3000)),
    "an array of rows": ("a.json.gz", packed(b"[", (ROW + b",") * 200_000, 300)),
    "an array in arrays": ("a.json.gz", packed(b"[", b"[" * 10 * MB, 100)),
    "a text without end in an array": ("a.json.gz", packed(b'["', b"x" * 10 * MB, 3000)),
    "commas": ("a.json.gz", packed(b"[", b"," * 10 * MB, 30)),
    "lines of a table": ("a.csv.gz", packed(b"prompt,chosen,rejected\n", b"a,b,c\n" * MB, 60)),
    "a cell without end": ("a.csv.gz", packed(b'prompt,chosen,rejected\n"', b"a" * 10 * MB, 300)),
    "columns without end": ("a.csv.gz", packed(b"a", b",a" * 5 * MB, 60)),
    "prompts a line": ("a.txt.gz", packed(b"", b"why?\n" * 2 * MB, 60)),
    "deep JSON": ("a.json", plain(b"[" * 8 * MB)),
    "a long number": ("a.jsonl", plain(b"9" * 7 * MB)),
    "30 million nulls": ("a.parquet", table(nulls(30 * MB, pa.null()))),
    "30 million texts of null": ("a.parquet", table(nulls(30 * MB, pa.string()))),
    "30 million lists of null": ("a.parquet", table(nulls(10 * MB, LIST))),
    "one short text in 20 million rows": ("a.parquet", table(texts("why?", 20 * MB))),
    "one long text in a million rows": ("a.parquet", table(texts("y" * MB, MB))),
    "a packed text of 600 MB": ("a", saved(lambda: {"prompt": pa.array(["y" * 600 * MB])}, "zstd")),
    "packed nulls": ("a", saved(nulls(30 * MB, pa.string()), "zstd")),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_answered_within_its_limit_and_costs_the_server_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    monkeypatch.setattr(file_process, "SECONDS", 3)
    name, write = BOMBS[bomb]
    kind = ImportKind.PROMPTS if name.endswith(".txt.gz") else ImportKind.PREFERENCES
    write(tmp_path / name)
    before = psutil.Process().cpu_times()
    tracemalloc.start()
    try:
        found = inspect(Brought(tmp_path / name, name, kind), FileLimits())
        assert found.rows
    except InputError as error:
        assert name in str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    after = psutil.Process().cpu_times()
    assert peak < 50 * MB
    # of computing: of this process, and of the one that read, which has ended
    assert after.user + after.system - before.user - before.system < 3
    length = sum(file.stat().st_size for file in (tmp_path / name, *tmp_path.rglob("*")) if file.is_file())
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 3 + length / MB + 2
