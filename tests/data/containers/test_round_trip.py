"""Whatever a container writes it reads again, and so do those for whom it is written."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.containers.container import Container, FileLimits
from data.containers.registry import CONTAINERS, by_name, opening
from data.errors import InputError

TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SCHEMA = pa.schema(
    [
        ("prompt", TURNS),
        ("chosen", pa.string()),
        ("tie", pa.bool_()),
        ("meta", pa.struct([("ids", pa.list_(pa.int64()))])),
    ]
)
NAMES = ["f.jsonl", "f.jsonl.gz", "f.ndjson", "f.json", "f.json.gz", "f.csv", "f.csv.gz", "f.parquet", "saved"]
Row = Mapping[str, object]

ODD = [
    "",
    "\0",
    "a\0b",
    "🙂",
    "ä\u2028\u2029\x85",
    "\ufeffx",
    '"',
    "'",
    "''=",
    "=1+1",
    "-",
    "+",
    "@",
    "\t",
    "\r",
    "\r\n",
    "\n",
]
ODD += [
    "true",
    "False",
    "null",
    "[1]",
    '{"a": 1}',
    '"x"',
    "[",
    "007",
    "1e5",
    "NaN",
    ",",
    "\\",
    "\\n",
    ' "a"',
    "x" * 100_000,
]
texts = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]))
turns = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts}), max_size=3)
numbers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)
rows = st.fixed_dictionaries(
    {
        "prompt": turns,
        "chosen": texts | st.none(),
        "tie": st.booleans(),
        "meta": st.fixed_dictionaries({"ids": numbers}),
    }
)


def container(name: str) -> Container:
    return by_name("datasets") if name == "saved" else opening(Path(name))


def read(path: Path) -> list[object]:
    found = opening(path)
    _, numbered = found.read(path, FileLimits())
    return [row for _, row in numbered]


def fresh(directory: Path, name: str) -> Path:
    return directory / str(len(list(directory.iterdir()))) / name


@pytest.mark.parametrize("name", NAMES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(parts=st.dictionaries(st.sampled_from(["train", "test"]), st.lists(rows, max_size=4)))
def test_rows_are_read_as_they_were_written(tmp_path: Path, name: str, parts: dict[str, list[Row]]) -> None:
    path = fresh(tmp_path, name)
    path.parent.mkdir()
    container(name).write(path, SCHEMA, parts)
    assert opening(path) is container(name)
    assert read(path) == [row for part in parts.values() for row in part]
    assert [file.name for file in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_row_lacks_is_null(tmp_path: Path, name: str) -> None:
    container(name).write(tmp_path / name, SCHEMA, {"train": [{"chosen": "x"}]})
    gaps = {} if "json" in name else {"prompt": None, "tie": None, "meta": None}
    assert read(tmp_path / name) == [{"chosen": "x", **gaps}]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, name: str) -> None:
    def breaking() -> Iterator[Row]:
        yield {"chosen": "y"}
        raise KeyError("the store")

    path = tmp_path / name
    if name != "saved":
        container(name).write(path, SCHEMA, {"train": [{"chosen": "x"}]})
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(KeyError, match="the store"):
        container(name).write(path, SCHEMA, {"train": breaking()})
    assert sorted(path.parent.rglob("*")) == before
    container(name).write(path, SCHEMA, {"train": [{"chosen": "z"}]})
    assert [row["chosen"] for row in read(path) if isinstance(row, dict)] == ["z"]


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_that_is_not_there_is_an_os_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="No such file"):
        container(name).write(tmp_path / "gone" / name, SCHEMA, {"train": []})


@pytest.mark.parametrize("name", NAMES)
def test_equal_rows_make_equal_bytes(tmp_path: Path, name: str) -> None:
    made = []
    for directory in (tmp_path / "a", tmp_path / "b"):
        directory.mkdir()
        container(name).write(directory / name, SCHEMA, {"train": [{"chosen": "ä"}], "test": [{"chosen": "z"}]})
        made.append({file.relative_to(directory): file.read_bytes() for file in directory.rglob("*") if file.is_file()})
    assert made[0] == made[1]


def test_json_is_written_as_it_is_read_elsewhere(tmp_path: Path) -> None:
    parts: dict[str, list[Row]] = {"train": [{"a": "ä\u2028"}, {"b": 1}]}
    for name in ("f.jsonl", "f.jsonl.gz", "f.json"):
        container(name).write(tmp_path / name, SCHEMA, parts)
    lines = '{"a": "ä\u2028"}\n{"b": 1}\n'
    assert (tmp_path / "f.jsonl").read_bytes() == lines.encode()
    assert gzip.decompress((tmp_path / "f.jsonl.gz").read_bytes()) == lines.encode()
    assert json.loads((tmp_path / "f.json").read_bytes()) == parts["train"]


ORACLE: list[Row] = [
    {
        "prompt": [{"role": "user", "content": f'ä "{number}"\n\0 🙂'}],
        "chosen": text,
        "tie": number % 2 == 0,
        "meta": {"ids": [1, 2]},
    }
    for number, text in enumerate([text for text in ODD if text])
]


@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz", "f.parquet"])
def test_datasets_loads_what_is_written(tmp_path: Path, name: str) -> None:
    container(name).write(tmp_path / name, SCHEMA, {"train": ORACLE})
    kind = "parquet" if name == "f.parquet" else "json"
    files = str(tmp_path / name)
    assert list(datasets.load_dataset(kind, data_files=files, cache_dir=str(tmp_path / "c"), split="train")) == ORACLE


def test_datasets_loads_csv_with_json_in_its_cells(tmp_path: Path) -> None:
    plain: list[Row] = [{"a": "x, y", "b": [{"c": 'ä\n"'}]}, {"a": "=1", "b": []}]
    schema = pa.schema([("a", pa.string()), ("b", pa.list_(pa.struct([("c", pa.string())])))])
    container("f.csv").write(tmp_path / "f.csv", schema, {"train": plain})
    cells = [{"a": "x, y", "b": '[{"c": "ä\\n\\""}]'}, {"a": "'=1", "b": "[]"}]
    files = str(tmp_path / "f.csv")
    assert list(datasets.load_dataset("csv", data_files=files, cache_dir=str(tmp_path / "c"), split="train")) == cells
    assert pd.read_csv(files).to_dict("records") == cells


def test_pandas_reads_every_cell_of_the_csv(tmp_path: Path) -> None:
    container("f.csv").write(tmp_path / "f.csv", SCHEMA, {"train": ORACLE})
    frame = pd.read_csv(tmp_path / "f.csv", keep_default_na=False, dtype=str, engine="python")
    assert list(frame.columns) == SCHEMA.names
    assert [json.loads(text) for text in frame["prompt"]] == [row["prompt"] for row in ORACLE]


def test_the_csv_of_pandas_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"prompt": ["a", 'b "c"\n,'], "label": [True, False], "n": [1.5, None]})
    frame.to_csv(tmp_path / "f.csv", index=False)
    assert read(tmp_path / "f.csv") == [
        {"prompt": "a", "label": True, "n": "1.5"},
        {"prompt": 'b "c"\n,', "label": False, "n": None},
    ]


def test_load_from_disk_takes_the_directory(tmp_path: Path) -> None:
    by_name("datasets").write(tmp_path / "saved", SCHEMA, {"train": ORACLE, "test": [], "held": ORACLE[:2]})
    loaded = datasets.load_from_disk(str(tmp_path / "saved"))
    assert isinstance(loaded, datasets.DatasetDict)
    assert {name: list(split) for name, split in loaded.items()} == {"train": ORACLE, "test": [], "held": ORACLE[:2]}
    assert str(loaded["held"].split) == "held"
    assert loaded["train"].features == datasets.Features.from_arrow_schema(SCHEMA)
    assert loaded["train"]._fingerprint != loaded["held"]._fingerprint


@pytest.fixture
def quiet() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.mark.usefixtures("quiet")
def test_what_save_to_disk_wrote_is_read(tmp_path: Path) -> None:
    one = datasets.Dataset.from_list([dict(row) for row in ORACLE])
    one.save_to_disk(str(tmp_path / "one"), num_shards=3)
    assert read(tmp_path / "one") == ORACLE
    datasets.DatasetDict({"train": one, "test": one.select([4, 2])}).save_to_disk(str(tmp_path / "two.json"))
    assert read(tmp_path / "two.json") == [*ORACLE, ORACLE[4], ORACLE[2]]
    one.filter(lambda row: row["tie"], cache_file_name=str(tmp_path / "c.arrow")).save_to_disk(str(tmp_path / "some"))
    assert read(tmp_path / "some") == [row for row in ORACLE if row["tie"]]


def test_every_container_is_known_by_its_name_and_others_are_refused() -> None:
    assert [by_name(one.name) for one in CONTAINERS] == list(CONTAINERS)
    with pytest.raises(InputError, match=r"xlsx is no container; take one of .*jsonl, csv, parquet"):
        by_name("xlsx")
    with pytest.raises(InputError, match=r"f\.xlsx: the name ends in none of \.jsonl, .*\.csv, .*\.parquet; convert"):
        opening(Path("f.xlsx"))


def test_the_writers_say_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        container(name).write(tmp_path / name, SCHEMA, {"train": ORACLE})
        read(tmp_path / name)
    assert capfd.readouterr() == ("", "")
