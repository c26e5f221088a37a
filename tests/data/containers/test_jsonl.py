import gzip
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.containers import json_array
from data.containers.container import FileLimits, Unreadable
from data.containers.jsonl import JSONL
from data.errors import InputError

ROWS: list[object] = [{"a": "ä\u2028 🙂"}, {"a": 2}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
ARRAY = json.dumps(ROWS, ensure_ascii=False, indent=1)


def written(path: Path, content: str | bytes) -> Path:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix.lower() == ".gz" else content)
    return path


def read(path: Path, limits: FileLimits | None = None) -> tuple[str, list[tuple[int, object]]]:
    assert JSONL.opens(path)
    unit, rows = JSONL.read(path, limits or FileLimits())
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
        ("f.json", f"{' ' * 600_000}{ARRAY}{' ' * 600_000}", "entry"),
    ],
)
def test_every_kind(tmp_path: Path, name: str, content: str, unit: str, gz: str, bom: str) -> None:
    path = written(tmp_path / f"{name}{gz}", bom + content)
    assert read(path) == (unit, [(1, ROWS[0]), (2, ROWS[1])])


@pytest.mark.parametrize("name", ["f.jsonl", "f.json"])
def test_lines_are_counted_with_the_blank_ones(tmp_path: Path, name: str) -> None:
    assert read(written(tmp_path / name, '\n{"a": 1}\r\n \n3')) == ("line", [(2, {"a": 1}), (4, 3)])


@pytest.mark.parametrize("name", ["f.txt", "f.csv", "f.gz", "json"])
def test_other_names_are_not_opened(name: str) -> None:
    assert not JSONL.opens(Path(name))


BAD: list[tuple[str | bytes, str]] = [
    ('{"a": ', "no JSON: "),
    ("[" * 100_000, "JSON nested too deeply"),
    ("1" * 5000, "no JSON: .*digits"),
    (b'{"a": "\xe4"}', "not UTF-8; save the file as UTF-8"),
    ('{"a": "\0"}', "no JSON: "),
    ("\0\0", "no JSON: "),
    (f'"{"x" * 10_000_000}"', "longer than 8 MB"),
]


@pytest.mark.parametrize(("content", "words"), BAD)
def test_a_bad_line_is_named_and_the_next_still_comes(tmp_path: Path, content: str | bytes, words: str) -> None:
    content = content.encode() if isinstance(content, str) else content
    for name in ("f.jsonl", "f.json", "f.jsonl.gz"):
        unit, rows = read(written(tmp_path / name, b'{"a": 1}\n' + content + b'\n{"a": 2}'))
        assert (unit, rows[0], rows[2]) == ("line", (1, {"a": 1}), (3, {"a": 2}))
        assert rows[1][0] == 2
        assert_unreadable(rows[1][1], words)


@pytest.mark.parametrize(
    ("content", "words"),
    [("[" * 100_000 + "]" * 100_000, "JSON nested too deeply"), *BAD[2:], ("", "no JSON"), ("{]", "no JSON")],
)
def test_a_bad_entry_is_named_and_the_next_still_comes(tmp_path: Path, content: str | bytes, words: str) -> None:
    content = content.encode() if isinstance(content, str) else content
    for name in ("f.json", "f.json.gz"):
        unit, rows = read(written(tmp_path / name, b'[{"a": 1},' + content + b', {"a": 2}]'))
        assert (unit, rows[0], rows[2]) == ("entry", (1, {"a": 1}), (3, {"a": 2}))
        assert rows[1][0] == 2
        assert_unreadable(rows[1][1], words)


def assert_unreadable(row: object, words: str) -> None:
    assert isinstance(row, Unreadable)
    assert re.search(words, row.reason)


def test_a_comma_too_many_is_no_entry(tmp_path: Path) -> None:
    _, [first, (number, row)] = read(written(tmp_path / "f.json", "[1,]"))
    assert (first, number) == ((1, 1), 2)
    assert_unreadable(row, "no JSON")
    assert read(written(tmp_path / "f.json", "[ \n]")) == ("entry", [])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[\n{"a": 1},\n', "entry 2: the array is cut off"),
        ('[{"a": 1}, {"a": "b', "entry 2: the array is cut off"),
        ('[{"a": 1}}, 3]', "entry 1: a } that closes nothing"),
        ("[1] [2]", "entry 2: more comes after the array"),
        ("[1]" + " " * 600_000 + "x", "entry 2: more comes after the array"),
    ],
)
def test_an_array_that_is_none_stops_the_file_at_its_entry(tmp_path: Path, content: str, words: str) -> None:
    for path in (tmp_path / "f.json", tmp_path / "f.json.gz"):
        with pytest.raises(InputError, match=rf"{re.escape(str(path))}, {words}"):
            read(written(path, content))


def test_a_cut_off_gzip_is_named_after_its_last_line(tmp_path: Path) -> None:
    whole = gzip.compress(LINES.encode())
    for end in range(0, len(whole), 3):
        path = tmp_path / "f.jsonl.gz"
        path.write_bytes(whole[:end])
        if end == 0:
            assert read(path) == ("line", [])  # gzip takes nothing for nothing packed
            continue
        with pytest.raises(InputError, match=r"f\.jsonl\.gz is cut off after line \d+: copy or download it again"):
            read(path)


def test_rows_before_the_cut_still_come(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 100_000)[:-4])
    _, rows = JSONL.read(path, FileLimits())
    with pytest.raises(InputError, match="cut off after line 100000"):
        for number, _ in rows:
            last = number
    assert last == 100_000


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


@pytest.mark.parametrize("name", ["f.jsonl", "f.json", "f.json.gz"])
def test_a_file_over_a_limit_is_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, "[" + '"x",' * 500_000 + "0]")
    with pytest.raises(InputError, match=r"is larger than 0\.001 MB; split the file"):
        read(path, FileLimits(file=1_000))
    with pytest.raises(InputError, match=r"more than 1 MB when unpacked; split the file"):
        read(path, FileLimits(unpacked=1_000_000))


class Dripping(io.RawIOBase):
    """Bytes that come a few at a time, so that everything lies across an edge."""

    def __init__(self, content: bytes, step: int) -> None:
        self._content = io.BytesIO(content)
        self._step = step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._content.read(min(self._step, len(buffer)))
        buffer[: len(block)] = block
        return len(block)


texts = st.text(st.sampled_from('"\\[]{}, a\nä🙂'))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


@settings(deadline=None)
@given(st.lists(values), st.sampled_from([None, 0, 2]), st.booleans(), st.integers(1, 7))
def test_an_array_is_cut_into_its_entries_wherever_blocks_end(
    rows: list[object], indent: int | None, ascii_: bool, step: int
) -> None:
    content = json.dumps(rows, indent=indent, ensure_ascii=ascii_).encode()
    stream: io.BufferedReader = io.BufferedReader(Dripping(content, step), 8)
    assert json_array.begins_array(stream)
    cut = [text for text in json_array.entries(stream, 10_000) if isinstance(text, bytes)]
    assert [json.loads(text) for text in cut] == rows
    for end in range(1, len(content), max(1, len(content) // 5)):
        stream = io.BufferedReader(Dripping(content[:end], step), 8)
        assert json_array.begins_array(stream)
        with pytest.raises(json_array.BrokenArrayError, match="cut off"):
            list(json_array.entries(stream, 10_000))
