import csv
import gzip
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.containers.container import FileLimits, Unreadable
from data.containers.csv_cells import cell, said
from data.containers.csv_rows import CSV
from data.errors import InputError


def read(path: Path, content: str | bytes, limits: FileLimits | None = None) -> list[tuple[int, object]]:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    unit, rows = CSV.read(path, limits or FileLimits())
    assert unit == "line"
    return list(rows)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None),
        ("a b", "a b"),
        ("007", "007"),
        ("3.5", "3.5"),
        ("null", "null"),
        ("true", True),
        ("True", True),
        ("False", False),
        ("TRUE", "TRUE"),
        ('[{"role": "user", "content": "ä"}]', [{"role": "user", "content": "ä"}]),
        ('{"a": 1.5}', {"a": 1.5}),
        ('"true"', "true"),
        ('""', ""),
        ("[1", "[1"),
        ("{x}", "{x}"),
        ('"x" he said', '"x" he said'),
        ("'=1+1", "=1+1"),
        ("''=1+1", "'=1+1"),
        ("'tis", "'tis"),
        ("=1+1", "=1+1"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_cell_says(written: str, value: object) -> None:
    assert said(written) == value
    assert type(said(written)) is type(value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        ("", '""'),
        ("true", '"true"'),
        ("[1]", '"[1]"'),
        ('"x"', '"\\"x\\""'),
        ('"x', '"x'),
        ("null", "null"),
        (True, "true"),
        (-3.5, "-3.5"),
        ({"a": "ä"}, '{"a": "ä"}'),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("-1", "'-1"),
        ("@a", "'@a"),
        ("+", "'+"),
        ("\t=", "'\t="),
        ("\r", "'\r"),
        ("\0=1+1", "'\0=1+1"),
        ("''=", "'''="),
        ("''", "''"),
    ],
)
def test_a_value_is_said_by_a_cell(value: object, written: str) -> None:
    assert cell(value) == written


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n\"[]{}truefalsTF, \\\0ä1")))
def test_every_text_is_said_and_none_is_a_formula(text: str) -> None:
    assert said(cell(text)) == text
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\0"))


def test_all_cells_are_in_quotes(tmp_path: Path) -> None:
    columns = pa.schema([("a", pa.string()), ("b", pa.bool_()), ("c", pa.string())])
    CSV.write(tmp_path / "f.csv", columns, {"": [{"a": "ok;=HYPERLINK(1)", "b": True}]})
    assert (tmp_path / "f.csv").read_bytes() == b'"a","b","c"\r\n"ok;=HYPERLINK(1)","true",""\r\n'


def test_where_a_column_is_never_null_an_empty_text_is_an_empty_cell(tmp_path: Path) -> None:
    columns = pa.schema([("a", pa.string()), pa.field("b", pa.string(), nullable=False)])
    CSV.write(tmp_path / "f.csv", columns, {"": [{"a": "", "b": ""}, {"a": None, "b": "x"}]})
    assert (tmp_path / "f.csv").read_bytes() == b'"a","b"\r\n"""""",""\r\n"","x"\r\n'


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("name", ["f.csv", "F.CSV", "f.csv.gz"])
def test_rows_are_numbered_by_the_line_they_begin_on(tmp_path: Path, name: str, end: bytes, bom: bytes) -> None:
    content = bom + b'a,b\n1,"x\ny ""z"","\n\n,\n2,' + "\u2028".encode()
    rows = read(tmp_path / name, content.replace(b"\n", end))
    assert rows == [
        (2, {"a": "1", "b": f'x{end.decode()}y "z",'}),
        (5, {"a": None, "b": None}),
        (6, {"a": "2", "b": "\u2028"}),
    ]


@pytest.mark.parametrize(
    ("record", "words", "next_line"),
    [
        (b"1", "cells: 1, columns: 2", 4),
        (b"1,2,3", "cells: 3, columns: 2", 4),
        (b"1,\xe4", "not UTF-8", 4),
        (b'1,"x" y', "goes on after its end", 4),
        (b"1,2\r3,4", "a line end within a cell without quotes", 4),
        (b"1," + b"x" * 1_000_000, "longer than 0.1 MB", 4),
        (b'1,"' + b'x\n""' * 500_000 + b'"', "longer than 0.1 MB", 500_004),
        (b'1,"' + b"\n" * 900_000 + b'"', "longer than 0.1 MB", 900_004),
    ],
)
def test_a_bad_row_is_named_and_the_next_still_comes(tmp_path: Path, record: bytes, words: str, next_line: int) -> None:
    rows = read(tmp_path / "f.csv", b"a,b\n1,2\n" + record + b"\n3,4\n", FileLimits(row=100_000))
    assert (rows[0], rows[2]) == ((2, {"a": "1", "b": "2"}), (next_line, {"a": "3", "b": "4"}))
    number, bad = rows[1]
    assert number == 3
    assert isinstance(bad, Unreadable)
    assert words in bad.reason


def test_a_quote_that_never_ends_is_named_with_where_it_begins(tmp_path: Path) -> None:
    [_, (number, bad)] = read(tmp_path / "f.csv", 'a\n1\n"2\n3\n')
    assert number == 3
    assert isinstance(bad, Unreadable)
    assert "does not end" in bad.reason


def test_a_quote_within_a_plain_cell_is_a_quote(tmp_path: Path) -> None:
    assert read(tmp_path / "f.csv", 'a,b\n5" disk,a "b"\n') == [(2, {"a": '5" disk', "b": 'a "b"'})]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b,a\n", "line 1: two columns are called 'a'"),
        ("prompt,ä\n".encode("latin-1"), "line 1: not UTF-8; save the file as UTF-8; the names of the columns"),
        ("prompt,a\n".encode("utf-16"), "line 1: not UTF-8"),
        (b"a\rb\r", "line 1: a line end within a cell"),
        (b"x" * 9_000_000, "line 1: longer than 8 MB"),
    ],
)
def test_a_header_that_is_none_stops_the_file(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=rf"f\.csv, {re.escape(words)}"):
        read(tmp_path / "f.csv", content)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_row_has_none(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path / "f.csv", content) == []


def test_what_cannot_be_opened_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        CSV.read(tmp_path / "f.csv", FileLimits())


def test_pythons_limit_of_a_cell_is_left_alone(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    CSV.write(tmp_path / "f.csv", pa.schema([("a", pa.string())]), {"": [{"a": "x" * 1_000_000}]})
    assert read(tmp_path / "f.csv", (tmp_path / "f.csv").read_bytes()) == [(2, {"a": "x" * 1_000_000})]
    assert csv.field_size_limit() == before
