"""What Thrift wrote is read within bounds, whatever it promises."""

import io
import time

import pytest

from data.containers.thrift_struct import BrokenStructError, LargeStructError, Struct, Wanted, read_struct

LONG = b"\x80" * 5 + b"\x20"  # 2**40


def read(content: bytes, wanted: Wanted | None = None, most_bytes: int = 1000, most_structs: int = 100) -> Struct:
    return read_struct(io.BytesIO(content), wanted or {}, most_bytes, most_structs)


def test_what_is_wanted_is_kept_and_the_rest_passed_over() -> None:
    # 1: 3; 2: [{1: 1}, {1: 2}]; 3: {1: 1}; 4: three bools; 5: "ab"; 6: two doubles; 7: [[1 byte]]; 8: 5
    content = b"\x15\x06\x19\x2c\x15\x02\0\x15\x04\0\x1c\x15\x02\0\x19\x32\1\2\1\x18\2ab\x19\x27" + b"x" * 16
    content += b"\x19\x19\x13\x09" + b"\x15\x0a\0"
    file = io.BytesIO(content + b"behind")
    found = read_struct(file, {2: {1: None}, 3: {}, 8: None}, 1000, 100)
    assert found == Struct({8: 5}, {3: Struct()}, {2: [Struct({1: 1}), Struct({1: 2})]})
    assert file.read() == b"behind"


@pytest.mark.parametrize("kind", [1, 2, 3, 5, 7, 8, 9, 10, 12])
@pytest.mark.parametrize("wanted", [{}, {1: {}}])
def test_a_list_that_promises_more_than_is_there_ends_at_once(kind: int, wanted: Wanted) -> None:
    begun = time.monotonic()
    with pytest.raises((BrokenStructError, LargeStructError)):
        read(bytes([0x19, 0xF0 | kind]) + LONG + b"\0" * 10_000, wanted, most_bytes=100_000)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("open_", [b"\x1c", b"\x19\x1c", b"\x1a\x1c", b"\x19\x19" + b"\x19" * 1000])
@pytest.mark.parametrize("wanted", [{}, {1: {1: {1: {}}}}])
def test_what_is_nested_too_deeply_is_too_large(open_: bytes, wanted: Wanted) -> None:
    with pytest.raises(LargeStructError):
        read(open_ * 1000, wanted, most_bytes=100_000, most_structs=100_000)


def test_no_more_bytes_and_structs_are_read_than_may_be() -> None:
    structs = b"\x19\xfc\x32" + b"\0" * 50 + b"\0"
    assert read(structs, {1: {}}, len(structs), 51).lists == {1: [Struct()] * 50}
    with pytest.raises(LargeStructError):
        read(structs, {1: {}}, len(structs) - 1, 51)
    with pytest.raises(LargeStructError):
        read(structs, {}, len(structs), 50)
    with pytest.raises(LargeStructError):
        read(b"\x18\xff\x7f" + b"x" * 16383 + b"\0")
    with pytest.raises(BrokenStructError):
        read(b"\x18\x50ab")
