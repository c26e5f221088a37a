"""Where rows begin is told from the levels as Arrow wrote them, in every version and packing."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.containers import parquet_pages
from data.containers.parquet_levels import rows_begun
from data.containers.parquet_pages import pages_of, row_groups

LENGTHS = [*[1] * 500, *range(60), 0, 3000, *[7] * 300, 20_000, *[0] * 100, 2]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
@pytest.mark.parametrize("deep", [False, True])
def test_rows_of_lists_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, codec: str, deep: bool
) -> None:
    rows: list[object] = [list(range(length)) for length in LENGTHS]
    if deep:
        rows = [[[1, 2], [], *[[3]] * length] if length else [] for length in LENGTHS]
    kind = pa.list_(pa.list_(pa.int64())) if deep else pa.list_(pa.int64())
    path = tmp_path / "f.parquet"
    table = pa.table({"n": pa.array(rows, kind)})
    pq.write_table(
        *(table, path),
        compression=codec,
        data_page_version=version,
        data_page_size=1000,
        write_batch_size=50,
        use_dictionary=False,
    )
    counted = []

    def counting(levels: memoryview, deepest: int, values: int) -> int:
        counted.append(rows_begun(levels, deepest, values))
        return counted[-1]

    monkeypatch.setattr(parquet_pages, "rows_begun", counting)
    with path.open("rb") as file:
        [group] = row_groups(file)
        pages = pages_of(file, group, [2 if deep else 1])
    assert sum(counted) == len(LENGTHS)
    assert len(counted) > 10
    # the longest row is whole
    assert pages.held > 20_000 * 8
    assert pages.rows is not None


@pytest.mark.parametrize("deepest", [1, 2, 3, 5])
def test_packed_levels_are_counted_to_the_last(deepest: int) -> None:
    width = deepest.bit_length()
    levels = np.random.default_rng(7).integers(0, deepest + 1, 200_000)
    bits = (levels[:, None] >> np.arange(width)) & 1
    head, number = b"", len(levels) // 8 << 1 | 1
    while number > 0x7F:
        head, number = head + bytes([number & 0x7F | 0x80]), number >> 7
    packed = head + bytes([number]) + np.packbits(bits.astype(np.uint8).ravel(), bitorder="little").tobytes()
    for values in (1, 7, 65_537, 199_999, 200_000):
        assert rows_begun(memoryview(packed), deepest, values) == np.count_nonzero(levels[:values] == 0)


@pytest.mark.parametrize("levels", [b"", b"\x80", b"\x80" * 9, b"\x10", b"\0\0", b"\1"])
def test_levels_that_break_off_are_none(levels: bytes) -> None:
    with pytest.raises(ValueError, match="levels"):
        rows_begun(memoryview(levels), 1, 100)
