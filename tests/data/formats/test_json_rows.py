import gzip
import json
import re
from pathlib import Path

import pytest

from data.errors import InputError
from data.formats.json_rows import JSON

ROWS: list[object] = [{"a": "ä\u2028 🙂"}, {"a": 2}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
ARRAY = json.dumps(ROWS, ensure_ascii=False, indent=1)


def written(path: Path, content: str | bytes) -> Path:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix.lower() == ".gz" else content)
    return path


def read(path: Path) -> tuple[str, list[tuple[int, object]]]:
    assert JSON.opens(path)
    unit, rows = JSON.rows(path)
    return unit, list(rows)


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("gz", ["", ".gz", ".GZ"])
@pytest.mark.parametrize(
    ("name", "content", "unit"),
    [
        ("f.jsonl", LINES, "line"),
        ("f.ndjson", LINES, "line"),
        ("f.json", LINES, "line"),
        ("F.JSON", ARRAY, "entry"),
        ("f.json", f"\n {ARRAY}", "entry"),
    ],
)
def test_every_container(tmp_path: Path, name: str, content: str, unit: str, gz: str, bom: str) -> None:
    path = written(tmp_path / f"{name}{gz}", bom + content)
    assert read(path) == (unit, [(1, ROWS[0]), (2, ROWS[1])])


@pytest.mark.parametrize("name", ["f.jsonl", "f.json"])
def test_lines_are_counted_with_the_blank_ones(tmp_path: Path, name: str) -> None:
    assert read(written(tmp_path / name, '\n{"a": 1}\r\n \n3')) == ("line", [(2, {"a": 1}), (4, 3)])


@pytest.mark.parametrize("name", ["f.txt", "f.csv", "f.gz", "json"])
def test_other_names_are_not_opened(name: str) -> None:
    assert not JSON.opens(Path(name))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("f.jsonl", '{"a": 1}\n{"a": ', r"line 2: no JSON: .*; put a whole JSON object on each line"),
        ("f.json", '[\n{"a": 1},\n', "line 3: no JSON"),
        ("f.jsonl", "[" * 100_000, "line 1: JSON nested too deeply"),
        ("f.jsonl", "1" * 5000, "line 1: no JSON: .*digits"),
        ("f.jsonl", b'{}\n{"a": "\xe4"}\n', "line 2: not UTF-8; save the file as UTF-8"),
        ("f.json", "[1]".encode("utf-16"), "line 1: not UTF-8"),
    ],
)
def test_what_is_no_json_is_named_with_its_line(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    for path in (tmp_path / name, tmp_path / f"{name}.gz"):
        with pytest.raises(InputError, match=rf"{re.escape(str(path))}, {words}"):
            read(written(path, content))


def test_a_cut_off_gzip_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(LINES.encode())
    for end in (len(whole) // 2, len(whole) - 1):
        path = tmp_path / "f.jsonl.gz"
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"f\.jsonl\.gz is cut off after line \d+: copy or download it again"):
            read(path)


def test_a_gzip_that_is_damaged_or_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(LINES.encode())
    with pytest.raises(InputError, match=r"no gzip: .*; unpack it, or download it again"):
        read(path)
    damaged = bytearray(gzip.compress(LINES.encode()))
    damaged[12] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"f\.jsonl\.gz"):
        read(path)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="Is a directory"):
        read(tmp_path / "d.jsonl")
