"""Whatever bytes a file holds, reading it gives rows, Unreadable or InputError, in bounded time and memory."""

import gzip
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.containers.container import FileLimits, Unreadable
from data.containers.datasets_directory import DATASETS
from data.containers.registry import by_name, opening
from data.errors import InputError
from data.exchange.read_prompts import prompt_rows

TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema([("prompt", TURNS), ("chosen", pa.string()), ("tie", pa.bool_())])
ROWS = [
    {"prompt": [{"role": "user", "content": f"{number} ä\n"}], "chosen": "x" * number, "tie": number % 2 == 0}
    for number in range(60)
]
FILES = ["f.jsonl", "f.jsonl.gz", "f.json", "f.json.gz", "f.csv", "f.csv.gz", "f.parquet"]
LIMITS = FileLimits(file=10_000_000, unpacked=20_000_000, row=100_000)


def outcome(path: Path, limits: FileLimits = LIMITS) -> tuple[list[object], str]:
    """The rows that come, and what the file says in the end."""
    rows = []
    try:
        _, numbered = opening(path).read(path, limits)
        for _, row in numbered:
            rows.append(row)
    except InputError as error:
        assert str(path) in str(error)
        return rows, str(error)
    return rows, ""


def written(path: Path, name: str = "") -> Path:
    (by_name(name) if name else opening(path)).write(path, SCHEMA, {"train": ROWS})
    return path


@pytest.mark.parametrize("name", FILES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
@given(content=st.binary(max_size=300) | st.text('[]{}",:\\ntrue1-é\0 ', max_size=100).map(str.encode))
def test_any_bytes(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    outcome(path)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(content))
        outcome(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_as_prompts(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(content)
    _, rows = prompt_rows(path)
    assert all(isinstance(row, list | Unreadable) for _, row in rows)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_off_at_any_byte(tmp_path: Path, name: str) -> None:
    whole = written(tmp_path / name).read_bytes()
    for end in range(1, len(whole) - 1, max(1, len(whole) // 150)):
        path = tmp_path / f"cut-{name}"
        path.write_bytes(whole[:end])
        rows, error = outcome(path)
        bad = [row for row in rows if isinstance(row, Unreadable)]
        good = [row for row in rows if not isinstance(row, Unreadable)]
        sure = len(good) - ("csv" in name)  # nothing tells a cell that was cut off from a shorter one
        assert good[: max(0, sure)] == ROWS[: max(0, sure)]
        assert error or len(bad) <= 1
        if name.endswith((".gz", ".json", ".parquet")):
            assert error


@pytest.mark.parametrize("name", [*FILES, "saved"])
def test_a_file_with_any_byte_changed(tmp_path: Path, name: str) -> None:
    directory = written(tmp_path / name, "datasets" if name == "saved" else "")
    victims = [directory] if directory.is_file() else sorted(file for file in directory.rglob("*") if file.is_file())
    chance = random.Random(7)
    for victim in victims:
        whole = victim.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 250)):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << chance.randrange(8)
            victim.write_bytes(damaged)
            outcome(directory)
        victim.write_bytes(whole)


@pytest.mark.parametrize("name", ["f.jsonl", "f.json", "f.csv", "f.jsonl.gz"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_named(tmp_path: Path, name: str, encoding: str) -> None:
    content = ('[{"prompt": "ä"}]\n' if name == "f.json" else '{"prompt": "ä"}\n' * 3).encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    rows, error = outcome(tmp_path / name)
    assert all(isinstance(row, Unreadable) for row in rows)
    assert rows or "not UTF-8" in error
    if encoding != "utf-16-le":  # of which every other byte is NUL, and the rest may be UTF-8
        assert any(isinstance(row, Unreadable) and "not UTF-8" in row.reason for row in rows) or "not UTF-8" in error


READ_AS = {
    "f.jsonl": r"put a whole JSON object on each line|not UTF-8",
    "f.json": r"put a whole JSON object on each line|not UTF-8",
    "f.csv": r"line 1: .*; the names of the columns come first",
    "f.parquet": r"is no Parquet file: .*; copy or download it again, or name it for what it is",
    "packed": r"after line 0: no gzip: .*; unpack it, or download it again",
}
ALIKE = {("f.json", "f.jsonl")}  # a .json file may have a row a line


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("other", ["f.jsonl", "f.csv", "f.parquet", "f.json.gz"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, other: str) -> None:
    (tmp_path / "x").mkdir()
    shutil.copy(written(tmp_path / "x" / other), tmp_path / name)
    rows, error = outcome(tmp_path / name)
    good = [row for row in rows if not isinstance(row, Unreadable)]
    if name == other or (name, other) in ALIKE:
        assert (good, error) == (ROWS, "")
        return
    reasons = [error, *(row.reason for row in rows if isinstance(row, Unreadable))]
    plain = name.removesuffix(".gz")
    if plain == "f.csv" and name.endswith(".gz") == other.endswith(".gz") and "json" in other:
        # any text may be CSV, but then its columns are no keys of any format
        assert not any(set(SCHEMA.names) & set(row) for row in good if isinstance(row, dict))
        return
    kind = "packed" if name.endswith(".gz") and not other.endswith(".gz") else plain
    assert all(re.search(READ_AS[kind], reason) for reason in reasons if reason) and any(reasons)
    # of an array whose entries stand on lines the last has no comma behind it
    assert good == (ROWS[-1:] if (name, other) == ("f.jsonl.gz", "f.json.gz") else [])


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_or_may_not_be_read(tmp_path: Path, name: str) -> None:
    _, error = outcome(tmp_path / name)
    assert "No such file" in error
    (tmp_path / name).mkdir()
    _, error = outcome(tmp_path / name)
    assert "without dataset_dict.json or state.json" in error
    with pytest.raises(InputError, match=r"Is a directory|Cannot open for reading"):
        by_name("parquet" if "parquet" in name else "csv" if "csv" in name else "jsonl").read(tmp_path / name, LIMITS)


@pytest.mark.parametrize(
    ("bytes_", "words"),
    [
        (b"", "is no Parquet file"),
        (b"PAR1" + b"\xff" * 100 + b"PAR1", "is no Parquet file"),
        (b"PAR1\x15\x04" + b"\xff\xff\xff\x7fPAR1", "is no Parquet file"),
    ],
)
def test_what_is_no_parquet_is_named(tmp_path: Path, bytes_: bytes, words: str) -> None:
    (tmp_path / "f.parquet").write_bytes(bytes_)
    assert words in outcome(tmp_path / "f.parquet")[1]


def test_a_parquet_over_a_limit_is_refused_and_a_long_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    rows = [{"chosen": "x"}, {"chosen": "y" * 200_000}, {"chosen": "z"}]
    by_name("parquet").write(path, SCHEMA, {"": rows})
    assert outcome(path)[0][1] == Unreadable("no row: longer than 0.1 MB")
    assert len(outcome(path)[0]) == 3
    assert "larger than 1e-05 MB" in outcome(path, FileLimits(file=10))[1]
    assert "more than 0.1 MB when unpacked" in outcome(path, FileLimits(unpacked=100_000))[1]
    # one text many times: the footer counts it once
    pq.write_table(pa.table({"chosen": ["y" * 10_000] * 3000}), path)
    rows_read, error = outcome(path)
    assert re.search("after row [0-9]+: more than 20 MB when unpacked", error)
    assert 1000 < len(rows_read) < 3000


def test_an_encoding_that_is_not_known_is_called_that_and_not_damage(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    table = pa.table({"prompt": ["why?", "why not?"]})
    pq.write_table(table, path, use_dictionary=False, column_encoding={"prompt": "DELTA_BYTE_ARRAY"})
    rows, said = outcome(path)
    assert not rows
    assert "its encoding is not known here" in said
    assert "write it anew with plain or dictionary encoding" in said


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    one = pa.array(["x"])
    pq.write_table(pa.Table.from_arrays([one, one], names=["a", "a"]), tmp_path / "f.parquet")
    assert "two columns are called 'a'" in outcome(tmp_path / "f.parquet")[1]


def test_rows_that_are_not_utf8_are_named_and_the_others_come(tmp_path: Path) -> None:
    raw = pa.array([b"x", b"\xe4", b"z"]).view(pa.string())
    pq.write_table(pa.table({"chosen": raw}), tmp_path / "f.parquet")
    rows, _ = outcome(tmp_path / "f.parquet")
    assert (rows[0], rows[2]) == ({"chosen": "x"}, {"chosen": "z"})
    assert rows[1] == Unreadable("not UTF-8; save the file as UTF-8")


def test_a_page_header_that_promises_more_than_the_file_has_ends(tmp_path: Path) -> None:
    path = written(tmp_path / "f.parquet")
    whole = path.read_bytes()
    # field 1, a list of 2**40 bools; a reader that passes over one at a time never comes to its end
    long = bytes([0x19, 0xF2]) + b"\x80" * 5 + b"\x20"
    path.write_bytes(whole[:4] + long + whole[4 + len(long) :])
    assert outcome(path)[1]


@pytest.fixture(scope="module")
def small_parquets() -> list[bytes]:
    made = []
    for more in (
        {},
        {"data_page_version": "2.0"},
        {"compression": "none", "data_page_size": 100, "write_batch_size": 8},
    ):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(ROWS, SCHEMA), sink, write_page_checksum=False, **more)
        made.append(sink.getvalue().to_pybytes())
    return made


# where structs begin, and what they are made of: the heads of lists and structs, and the bytes of long numbers
patches = st.binary(min_size=1, max_size=12) | st.lists(
    st.sampled_from([0x00, 0x15, 0x19, 0x1C, 0x2C, 0xF1, 0xF2, 0xF7, 0xF9, 0xFC, 0x80, 0xFF, 0x20, 0x7F]), min_size=1
).map(bytes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=5000)
@given(which=st.integers(0, 2), changes=st.lists(st.tuples(st.floats(0, 1), patches), min_size=1, max_size=3))
def test_a_parquet_with_any_bytes_overwritten(
    tmp_path: Path, small_parquets: list[bytes], which: int, changes: list[tuple[float, bytes]]
) -> None:
    damaged = bytearray(small_parquets[which])
    for part, patch in changes:
        at = min(int(part * len(damaged)), len(damaged) - len(patch))
        damaged[at : at + len(patch)] = patch
    path = tmp_path / "f.parquet"
    path.write_bytes(damaged)
    outcome(path)


SPLIT = "saved/train"
STATE = f"{SPLIT}/state.json"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("saved/dataset_dict.json", "{", "no JSON"),
        ("saved/dataset_dict.json", "[" * 100_000, "no JSON"),
        ("saved/dataset_dict.json", "[]", "no JSON object"),
        ("saved/dataset_dict.json", '{"splits": 3}', "splits is no list of names"),
        ("saved/dataset_dict.json", '{"splits": [3]}', "splits is no list of names"),
        ("saved/dataset_dict.json", '{"splits": ["gone"]}', "No such file"),
        ("saved/dataset_dict.json", '{"splits": [".."]}', "is no name of a file in it"),
        ("saved/dataset_dict.json", '{"splits": ["/etc"]}', "is no name of a file in it"),
        (STATE, "{}", "_data_files is no list"),
        (STATE, '{"_data_files": [{}]}', "filename is no list of names"),
        (STATE, '{"_data_files": [{"filename": "../../other.arrow"}]}', "is no name of a file in it"),
        (STATE, '{"_data_files": [{"filename": "a\\u0000"}]}', "is no name of a file in it"),
        (STATE, '{"_data_files": [{"filename": "state.json"}]}', "is cut off"),
        (STATE, '{"_data_files": [], "_indices_data_files": [{}]}', "an old version"),
        (f"{SPLIT}/data-00000-of-00001.arrow", "x" * 100, "is cut off"),
        (f"{SPLIT}/data-00000-of-00001.arrow", "", "is cut off"),
    ],
)
def test_a_damaged_directory_is_named(tmp_path: Path, name: str, content: str, words: str) -> None:
    written(tmp_path / "saved", "datasets")
    (tmp_path / name).write_text(content)
    assert words in outcome(tmp_path / "saved")[1]


def test_a_shard_cut_off_between_two_batches_is_named(tmp_path: Path) -> None:
    DATASETS.write(tmp_path / "saved", SCHEMA, {"train": [{"chosen": "x" * 100}] * 10_000})
    [shard] = (tmp_path / "saved").rglob("*.arrow")
    shard.write_bytes(shard.read_bytes()[:-8])
    assert "is cut off" in outcome(tmp_path / "saved")[1]


def test_a_directory_over_a_limit_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "saved", "datasets")
    assert "is larger than 0.001 MB" in outcome(tmp_path / "saved", FileLimits(file=1000))[1]
    assert "more than 0.001 MB when unpacked" in outcome(tmp_path / "saved", FileLimits(unpacked=1000))[1]


def test_a_directory_with_something_in_it_is_not_replaced(tmp_path: Path) -> None:
    written(tmp_path / "saved", "datasets")
    with pytest.raises(FileExistsError, match="there is something already; name a new directory"):
        written(tmp_path / "saved", "datasets")
    assert len(outcome(tmp_path / "saved")[0]) == len(ROWS)
    (tmp_path / "empty").mkdir()
    assert len(outcome(written(tmp_path / "empty", "datasets"))[0]) == len(ROWS)
    with pytest.raises(InputError, match="is no name of a file in it"):
        DATASETS.write(tmp_path / "new", SCHEMA, {"../train": ROWS})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "saved"]


BOMB = """
import sys
from pathlib import Path
from data.containers.container import FileLimits
from data.containers.registry import opening
from data.errors import InputError

def peak():
    # ru_maxrss would begin with what the test process has
    [kilobytes] = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return kilobytes

before = peak()
path = Path(sys.argv[1])
try:
    for _ in opening(path).read(path, FileLimits(unpacked=50_000_000))[1]:
        pass
except InputError as error:
    print(error)
print((peak() - before) // 1024)
"""


@pytest.mark.parametrize("name", ["f.jsonl.gz", "f.json.gz", "f.csv.gz"])
@pytest.mark.parametrize("begin", [b"", b"[", b'["', b'a\n"'])
def test_a_gzip_bomb_is_stopped_while_it_unpacks(tmp_path: Path, name: str, begin: bytes) -> None:
    path = tmp_path / name
    zeros = gzip.compress(b"\0" * 10_000_000)
    path.write_bytes(gzip.compress(begin) + zeros * 200)  # members one after another: 2 GB in 2 MB
    done = subprocess.run([sys.executable, "-c", BOMB, path], capture_output=True, text=True, timeout=60, check=True)
    message, used = done.stdout.splitlines()
    assert "more than 50 MB when unpacked" in message or "longer than 8 MB" in message
    assert int(used) < 100


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (lambda: b"{}\n" + b"x" * 10_000_000 + b"\n{}\n", 3),
        (lambda: b"{}\n" + b"[" * 7_000_000 + b"\n{}\n", 3),
        (lambda: b"[{}," + b"[" * 7_000_000 + b"]" * 7_000_000 + b",{}]", 3),
        (lambda: b"[{}," + b"[1," * 2_500_000 + b"]" * 2_500_000 + b",{}]", 3),
        (lambda: b"[{}," + b"9" * 7_000_000 + b",{}]", 3),
    ],
)
def test_deep_and_long_json_costs_no_more_than_its_length(
    tmp_path: Path, content: Callable[[], bytes], count: int
) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(content())
    rows, error = outcome(path, FileLimits())
    assert (len(rows), error) == (count, "")
    assert (rows[0], rows[-1]) == ({}, {})
    assert isinstance(rows[1], Unreadable)


@pytest.mark.parametrize("depth", range(100, 1000, 25))
def test_prompts_nested_at_any_depth(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    path = tmp_path / "p.jsonl"
    path.write_text(f'{deep}\n{{"prompt": {deep}}}\n{{"messages": [{{"role": {deep}, "content": {deep}}}]}}\n')
    _, rows = prompt_rows(path)
    assert all(isinstance(row, Unreadable) for _, row in rows)
