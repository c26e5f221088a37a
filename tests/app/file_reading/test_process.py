"""Files are read in a process of their own: what it finds, what it may take, and that it ends with who waits for it."""

import asyncio
import gzip
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.background.jobs import Jobs
from app.datasets.uploads import Upload, Uploads
from app.file_reading import process as file_process
from app.file_reading.look import Brought, ReadRow, look_at, rows_of
from app.file_reading.process import inspect, rows_after
from app.file_reading.wire import line_of, row_in, row_out
from data.containers.container import FileLimits
from data.errors import ConflictError, InputError, PrefloopError
from data.records import ImportKind, Message
from data.records.judged_pair import JudgedPair
from data.store import PreferenceStore
from tests.app.until import until

ROOT = Path(__file__).parents[3]
LIMITS = FileLimits()
PAIR = {"prompt": "q \ud800 ä\u2028?", "chosen": "yes", "rejected": "no\n"}
JUDGED = {
    "format": "prefloop/1",
    "prompt": [{"role": "user", "content": "why?"}],
    "a": {"text": "because"},
    "b": {"text": "so"},
    "choice": "tie",
    "comment": "both say nothing",
    "annotator": "u1",
}


def preferences(path: Path) -> Brought:
    return Brought(path, path.name, ImportKind.PREFERENCES)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl"
    rows = [PAIR | {"prompt": f"q {n}?"} for n in range(10)]
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, PAIR]) + "nonsense\n")
    return file


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A small file that takes minutes."""
    file = tmp_path / "bomb.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"prompt":"a","chosen":"b","rejected":"c"}\n' * 300_000) * 60)
    return file


def readers() -> list[psutil.Process]:
    """The processes that read files for this one."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            found += [child] if "app.file_reading.child" in child.cmdline() else []
    return found


@pytest.mark.parametrize("kind", list(ImportKind))
def test_it_finds_what_is_found_without_it(pairs: Path, kind: ImportKind) -> None:
    brought = Brought(pairs, "mine.jsonl", kind)
    here = look_at(brought, LIMITS, source="a book", license="mit")
    assert inspect(brought, LIMITS, source="a book", license="mit") == here
    rows = list(rows_of(pairs, here.file, LIMITS)[1])
    assert list(rows_after(pairs, here.file, LIMITS, 0, lambda: None)) == rows
    assert list(rows_after(pairs, here.file, LIMITS, 8, lambda: None)) == rows[8:]


def test_where_a_judgment_comes_from_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "judged.jsonl"
    file.write_text(json.dumps(JUDGED) + "\n")
    [here], [found] = look_at(preferences(file), LIMITS).shown, inspect(preferences(file), LIMITS).shown
    assert isinstance(here, JudgedPair) and isinstance(found, JudgedPair)
    assert (found, found.provenance) == (here, here.provenance)
    assert found.provenance["comment"] == "both say nothing"


def test_what_the_pairs_of_a_row_share_is_sent_once() -> None:
    prompt: tuple[Message, ...] = ({"role": "user", "content": "why?" * 1000},)
    pairs = tuple(JudgedPair(prompt, "x" * 1000, f"y {n}") for n in range(50))
    sent = line_of(row_out(ReadRow(3, pairs)))
    assert len(sent) < 20_000
    row = row_in(json.loads(sent))
    assert row == ReadRow(3, pairs)
    shared = [pair.prompt for pair in row.kept if isinstance(pair, JudgedPair)]
    assert len(shared) == 50
    assert all(prompt is shared[0] for prompt in shared)


def test_it_says_how_far_it_is(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(PAIR | {"prompt": f"{n}?"}) + "\n" for n in range(2500)))
    told: list[int] = []
    inspect(preferences(file), LIMITS, progress=told.append)
    assert list(dict.fromkeys(told)) in ([0, 1000, 2000], [0, 2000], [0, 1000], [0])
    seen = look_at(preferences(file), LIMITS, progress=told.append)
    assert (told[-2:], seen.rows) == ([1000, 2000], 2500)


def test_what_is_refused_is_told_in_the_same_words(tmp_path: Path) -> None:
    file = tmp_path / "upload.jsonl.gz"
    file.write_bytes(b"\x1f\x8bno gzip at all")
    words = []
    for read in (look_at, inspect):
        with pytest.raises(InputError) as raised:
            read(Brought(file, "mine.jsonl.gz", ImportKind.PREFERENCES), LIMITS)
        words.append(str(raised.value))
    assert words[0] == words[1]
    assert words[0].startswith("mine.jsonl.gz, after line 0: no gzip")


def test_what_takes_too_long_is_refused(bomb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_process, "SECONDS", 1)
    with pytest.raises(InputError, match=r"bomb.jsonl.gz takes more than \d+ seconds of computing"):
        inspect(preferences(bomb), LIMITS)
    assert readers() == []


def test_what_takes_too_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "big.parquet"
    pq.write_table(pa.table({"prompt": ["y" * 200_000_000]}), file, compression="zstd", use_dictionary=False)
    monkeypatch.setattr(file_process, "MEMORY", 250_000_000)
    with pytest.raises(InputError, match="there is not enough memory to unpack it; write it with smaller pages"):
        inspect(preferences(file), FileLimits(row=10**9))


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", InputError, "pairs.jsonl crashed the process that reads it"),
        ("os.abort()", InputError, "pairs.jsonl crashed the process that reads it"),
        ("sys.exit('no such module')", PrefloopError, "pairs.jsonl could not be read: no such module"),
    ],
)
def test_what_brings_it_down_is_told_and_brings_down_nothing_else(
    pairs: Path, monkeypatch: pytest.MonkeyPatch, body: str, kind: type[PrefloopError], words: str
) -> None:
    monkeypatch.setattr(file_process, "_COMMAND", (sys.executable, "-c", f"import os, signal, sys; {body}"))
    with pytest.raises(kind, match=words):
        inspect(preferences(pairs), LIMITS)


def test_who_does_not_want_it_any_more_ends_it(bomb: Path) -> None:
    def leave(_: int) -> None:
        if readers():
            raise ConflictError("not any more")

    with pytest.raises(ConflictError):
        inspect(preferences(bomb), LIMITS, progress=leave)
    assert readers() == []


WAITING = """
import sys
from pathlib import Path
from app.file_reading.look import Brought
from app.file_reading.process import inspect
from data.containers.container import FileLimits
from data.records.judged_pair import JudgedPair
from data.records import ImportKind, Message
inspect(Brought(Path(sys.argv[1]), "bomb", ImportKind.PREFERENCES), FileLimits())
"""


async def test_it_ends_with_a_server_that_is_killed(bomb: Path) -> None:
    server = psutil.Popen([sys.executable, "-c", WAITING, bomb], cwd=ROOT)
    await until(lambda: bool(server.children()))
    [reader] = server.children()
    server.kill()
    server.wait()
    await until(lambda: not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE)


@pytest.fixture
def imports(tmp_path: Path) -> Iterator[Uploads]:
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        yield Uploads(store, Jobs(), tmp_path / "imports", LIMITS)


async def blocks_of(file: Path) -> AsyncIterator[bytes]:
    yield file.read_bytes()


async def test_a_look_ends_with_who_asked_and_its_file_goes(imports: Uploads, bomb: Path, tmp_path: Path) -> None:
    upload = Upload(bomb.name, ImportKind.PREFERENCES)
    looks = []
    for _ in range(3):  # the last one waits for its turn
        file = await imports.receive(upload, blocks_of(bomb))
        looks.append(asyncio.create_task(imports.inspect(upload, file)))
    await until(lambda: len(readers()) == 2)
    for one in looks:
        one.cancel()
    await asyncio.gather(*looks, return_exceptions=True)
    await until(lambda: readers() == [])
    await until(lambda: list((tmp_path / "imports" / "uploads").iterdir()) == [])
