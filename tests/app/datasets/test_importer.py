import gzip
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.datasets.importer import MOST_ROWS, save
from app.datasets.rejected_rows import bad_rows_of
from app.file_reading.look import Brought, Look, ReadRow, look_at, rows_of
from app.file_reading.process import Alive, inspect
from data.containers.container import FileLimits
from data.errors import InputError, PrefloopError
from data.records import ImportFile, ImportKind, ImportState
from data.store import PreferenceStore

LIMITS = FileLimits()
Rows = Generator[ReadRow, None, None]
ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PreferenceStore]:
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        yield store


def lines(count: int, start: int = 0) -> str:
    rows = ({"prompt": f"q {n}", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(start, start + count))
    return "".join(json.dumps(row) + "\n" for row in rows)


def looked(file: Path, kind: ImportKind = ImportKind.PREFERENCES, limits: FileLimits = LIMITS) -> Look:
    return inspect(Brought(file, file.name, kind), limits)


def here(path: Path, file: ImportFile, limits: FileLimits, after: int, _: Alive) -> Rows:
    """The rows as the process that reads gives them, without one."""
    return (row for row in rows_of(path, file, limits)[1] if row.number > after)


def state_of(store: PreferenceStore) -> tuple[int, int, int]:
    return store.judgments.count(), store.prompts.count(), len(store.imports.all())


def test_what_broke_off_goes_on_behind_the_last_chunk(store: PreferenceStore, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(lines(2 * MOST_ROWS) + "nonsense\n" + lines(500, 2 * MOST_ROWS))
    seen = looked(file)

    def stopping(done: int) -> None:
        if done >= MOST_ROWS:
            raise PrefloopError("the server ended")

    with pytest.raises(PrefloopError):
        save(store, seen, LIMITS, tmp_path / "imports", progress=stopping)
    [begun] = store.imports.all()
    assert (begun.state, begun.position, store.judgments.count()) == (ImportState.RUNNING, MOST_ROWS, MOST_ROWS)
    done = save(store, seen, LIMITS, tmp_path / "imports")
    assert (done.id, done.state) == (begun.id, ImportState.DONE)
    assert done.counts == {
        "rows": 2501,
        "added": 2500,
        "known": 0,
        "bad": 1,
        "pairs": 2500,
        "prompts": 2500,
    }
    [bad] = bad_rows_of(tmp_path / "imports", done.id).read_text().splitlines()
    assert json.loads(bad)["line"] == 2001


@pytest.mark.parametrize("place", ["a commit", "a line"])
def test_a_kill_loses_no_bad_row_and_names_none_twice(tmp_path: Path, place: str) -> None:
    file = tmp_path / "a.jsonl"
    # bad as they are read, and bad only to the store: a second word of one person
    rows = [line for n in range(300) for line in (*lines(9, 9 * n).splitlines(), "nonsense")]
    rows[1500] = json.dumps({"prompt": "q 0", "chosen": "no 0", "rejected": "yes 0"})
    file.write_text("\n".join(rows) + "\n")
    child = subprocess.run(
        [sys.executable, "-m", "tests.app.importing_child", tmp_path, file, place], cwd=ROOT, check=False
    )
    assert child.returncode == -signal.SIGKILL
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        assert store.imports.by_id(1).position == 2 * MOST_ROWS
        done = save(store, looked(file), LIMITS, tmp_path / "imports")
    named = [json.loads(line)["line"] for line in bad_rows_of(tmp_path / "imports", 1).read_text().splitlines()]
    assert named == sorted([*range(10, 3001, 10), 1501])
    assert done.counts["bad"] == len(named)


def test_a_file_that_is_damaged_since_keeps_whole_chunks_and_says_so(store: PreferenceStore, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(lines(2 * MOST_ROWS).encode())
    file.write_bytes(whole)
    seen = looked(file)
    file.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(InputError, match="cut off"):
        save(store, seen, LIMITS, tmp_path / "imports")
    [entry] = store.imports.all()
    assert (entry.state, entry.counts["added"], store.judgments.count()) == (
        ImportState.BROKEN_OFF,
        MOST_ROWS,
        MOST_ROWS,
    )
    assert "cut off" in (entry.reason or "")
    assert store.check() == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl.gz", gzip.compress(lines(50).encode())[:-9], "cut off"),
        ("a.jsonl.gz", b"\x1f\x8bno gzip at all", "gzip"),
        ("a.jsonl.gz", gzip.compress(b"\n" * 30_000_000), "unpacked"),
        ("a.jsonl", lines(3).encode("utf-16"), "no format that is known"),
        ("a.jsonl", b'{"prompt": 1, "chosen": 2, "rejected": 3}\n', "none of its 1 rows can be kept"),
        ("a.json", b'[{"prompt": "q", "chosen": "a", "rejected": "b"}', "cut off"),
        ("a.csv", b"prompt,chosen\n1,2,3\n", "no format that is known"),
        ("a.parquet", b"PAR1 and no more", "a.parquet"),
        ("a.jsonl", b"", "no row"),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_leaves_nothing(
    store: PreferenceStore, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError, match=words):
        looked(file, limits=FileLimits(unpacked=10_000_000))
    assert state_of(store) == (0, 0, 0)


def test_a_row_of_ten_megabytes_is_left_out_alone(store: PreferenceStore, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(
        lines(2) + json.dumps({"prompt": "x" * 10_000_000, "chosen": "a", "rejected": "b"}) + "\n" + lines(2, 2)
    )
    seen = looked(file)
    assert (seen.rows, seen.good, [row.number for row in seen.bad]) == (5, 4, [3])
    assert save(store, seen, LIMITS, tmp_path / "imports").counts["added"] == 4


def test_rows_that_say_the_same_are_kept_once(store: PreferenceStore, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(lines(3) * 2)
    done = save(store, looked(file), LIMITS, tmp_path / "imports")
    assert (done.counts["added"], done.counts["known"]) == (3, 3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.sampled_from(["a.jsonl", "a.json", "a.jsonl.gz", "a.csv", "a.parquet"]))
def test_a_spoiled_file_never_crashes_and_never_half_writes(tmp_path: Path, seed: int, name: str) -> None:
    """Bytes of a good file are changed, cut out or put in; what is kept then is what was said beforehand."""
    source = random.Random(seed)
    good = lines(30).encode()
    content = bytearray(gzip.compress(good) if name.endswith(".gz") else good)
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(content))
        content[at : at + source.randint(0, 3)] = source.randbytes(source.randint(0, 3))
    file = tmp_path / name
    file.write_bytes(bytes(content))
    database = tmp_path / f"{os.urandom(6).hex()}.db"
    with PreferenceStore.open(database) as store:
        try:
            seen = look_at(Brought(file, file.name, ImportKind.PREFERENCES), LIMITS)  # a process for each is slow
        except InputError:
            assert state_of(store) == (0, 0, 0)
            return
        counts = save(store, seen, LIMITS, tmp_path / "imports", rows_after=here).counts
        assert counts["rows"] == seen.rows
        assert counts["added"] + counts["known"] + counts["bad"] == seen.rows
        assert store.check() == []
        assert store.judgments.count() == counts["added"]


def test_prompts_come_from_any_container(store: PreferenceStore, tmp_path: Path) -> None:
    for name, content in (
        ("a.txt", "one?\ntwo?\n"),
        ("b.csv", 'prompt\n"three?"\n'),
        ("c.jsonl", '{"prompt": "four?"}\n'),
    ):
        (tmp_path / name).write_text(content)
        save(store, looked(tmp_path / name, ImportKind.PROMPTS), LIMITS, tmp_path / "imports")
    assert store.prompts.count() == 4
    assert store.prompts.next() is not None


@pytest.mark.parametrize(("name", "good"), [("dpo_en_demo.json", 297), ("kto_en_demo.json", 0)])
def test_real_files_that_nobody_here_wrote(store: PreferenceStore, tmp_path: Path, name: str, good: int) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not here: a user's clone")
    if not good:
        with pytest.raises(InputError, match="a rating without one of another answer"):
            looked(SHARED / name)
        return
    done = save(store, looked(SHARED / name), LIMITS, tmp_path / "imports")
    assert (done.file.format, done.counts["added"] + done.counts["known"], done.counts["bad"]) == (
        "sharegpt-ranking",
        good,
        0,
    )
