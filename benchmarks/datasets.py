"""How fast datasets go in and out of a store, and in how much memory: against plain writing of the same rows.

    python -m benchmarks.datasets [--judgments 1000000] [--json FILE]

Each step is a process of its own, so that its peak memory is its own. Rows a second are of this machine; the ratios
are against `json` and `pyarrow` writing or reading the very same rows in turns with ours.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from app.datasets.export_order import ExportOrder
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import columns_of, write
from app.datasets.importer import save
from app.file_reading.look import Brought
from app.file_reading.process import inspect
from data.containers.container import FileLimits
from data.exchange.export_query import ExportQuery
from data.exchange.imports import Chunk
from data.records import Choice, ImportFile, ImportKind
from data.records.judged_pair import JudgedPair, Provenance
from data.rounds.aggregation import Aggregation
from data.store import PreferenceStore

PEOPLE = 2
_CHUNK = 2_000
_BATCH = 2_000
_WORDS = (
    "the egg boils for six minutes",
    "in a pot of water",
    "and is then cooled",
    "under the tap",
    "until it can be held",
)


@dataclass(frozen=True)
class Measured:
    """A step: seconds, rows, and the peak of the process's memory in MB."""

    seconds: float
    rows: int
    megabytes: float


def judged(count: int) -> Iterator[JudgedPair]:
    """So many judgments, PEOPLE of them on each pair, of about 600 characters."""
    for number in range(count):
        pair = number // PEOPLE
        text = " ".join(_WORDS[pair % 3 :] * 3)
        yield JudgedPair(
            ({"role": "user", "content": f"How do I boil egg {pair}? {text}"},),
            f"{text} {pair} :)",
            f"{pair} {text}",
            Choice.A if (number * 7919) % 5 else Choice.B,
            number % 3 + 1,
            Provenance(annotator=f"person {number % PEOPLE}"),
        )


def fill(home: Path, count: int) -> int:
    """A store of so many judgments."""
    with PreferenceStore.open(home / "prefloop.db") as store:
        begun = store.imports.begin(
            ImportFile(ImportKind.PREFERENCES, "benchmark", "0" * 64, "jsonl", "trl", "benchmark")
        )
        rows = judged(count)
        for start in range(0, count, _CHUNK):
            chunk = [next(rows) for _ in range(min(_CHUNK, count - start))]
            store.imports.add_pairs(begun, list(enumerate(chunk, start)), Chunk(start + len(chunk), len(chunk)))
        store.imports.end(begun.id)
    return count


def every_judgment(format_: str, container: str) -> ExportOrder:
    """An order of everything there is."""
    query = ExportQuery(aggregation=Aggregation.JUDGMENTS, ties=True, both_bad=True) if format_ == "prefloop" else None
    return ExportOrder(format_, container, query or ExportQuery(aggregation=Aggregation.JUDGMENTS))


def export(home: Path, out: Path, format_: str, container: str) -> int:
    """Export every judgment."""
    out.unlink(missing_ok=True)
    with PreferenceStore.open(home / "prefloop.db") as store:
        tally = ExportTally()
        write(store, every_judgment(format_, container), out, tally)
    return tally.rows.total()


def bring(home: Path, file: Path) -> int:
    """Import a file into a new store."""
    home.mkdir()
    with PreferenceStore.open(home / "prefloop.db") as store:
        seen = inspect(Brought(file, file.name, ImportKind.PREFERENCES), FileLimits())
        done = save(store, seen, FileLimits(), home / "imports")
    assert done.counts["added"] == seen.rows, done.counts
    return seen.rows


def plain_json(rows: Path, out: Path) -> int:
    """What json alone takes to write the same rows."""
    count = 0
    with rows.open() as lines, out.open("w") as file:
        for line in lines:
            file.write(json.dumps(json.loads(line), ensure_ascii=False) + "\n")
            count += 1
    return count


def plain_parquet(rows: Path, out: Path, columns: pa.Schema) -> int:
    """What pyarrow alone takes to write the same rows."""
    count = 0
    with rows.open() as lines, pq.ParquetWriter(out, columns, compression="zstd") as writer:
        held: list[object] = []
        for line in lines:
            held.append(json.loads(line))
            if len(held) == _BATCH:
                writer.write_batch(pa.RecordBatch.from_pylist(held, schema=columns))
                count, held = count + len(held), []
        if held:
            writer.write_batch(pa.RecordBatch.from_pylist(held, schema=columns))
    return count + len(held)


def measured(work: Callable[[], int]) -> Measured:
    """Do work in a process of its own."""
    receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(work, sender))
    process.start()
    found: Measured = receiver.recv()
    process.join()
    return found


def _run(work: Callable[[], int], sender: "multiprocessing.connection.Connection") -> None:
    began = time.perf_counter()
    rows = work()
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    sender.send(Measured(seconds, rows, int(peak.split()[1]) / 1024))


def main() -> None:
    """Print a table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--judgments", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "home").mkdir()
        _say(found, "fill a store", [measured(partial(fill, place / "home", arguments.judgments))])
        for format_, container, plain in _CASES:
            out = place / f"{format_}.{container}"
            ours, theirs = [], []
            for _ in range(arguments.turns):
                ours.append(measured(partial(export, place / "home", out, format_, container)))
                rows = place / f"{format_}.jsonl"
                theirs.append(measured(plain(format_, rows, place / "plain")))
            _say(found, f"export {format_} {container}", ours, theirs)
        for file in ("prefloop.jsonl", "prefloop.parquet"):
            home = place / f"home of {file}"
            _say(found, f"import {file}", [measured(partial(bring, home, place / file))])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


def _as_json(_: str, rows: Path, out: Path) -> Callable[[], int]:
    return partial(plain_json, rows, out)


def _as_parquet(format_: str, rows: Path, out: Path) -> Callable[[], int]:
    return partial(plain_parquet, rows, out, columns_of(ExportOrder(format_)))


_CASES = (
    ("trl", "jsonl", _as_json),
    ("trl", "parquet", _as_parquet),
    ("prefloop", "jsonl", _as_json),
    ("prefloop", "parquet", _as_parquet),
)


def _say(
    found: dict[str, dict[str, float]], name: str, ours: list[Measured], theirs: list[Measured] | None = None
) -> None:
    rate = statistics.median(one.rows / one.seconds for one in ours)
    told = {"rows_per_second": rate, "megabytes": max(one.megabytes for one in ours), "rows": ours[0].rows}
    words = f"{name:28} {told['rows']:>9,.0f} rows {rate:>8,.0f} rows/s {told['megabytes']:>5,.0f} MB"
    if theirs:
        told["ratio"] = statistics.median(plain.seconds / one.seconds for one, plain in zip(ours, theirs, strict=True))
        words += f"   {told['ratio']:.2f} of plain writing's speed"
    found[name] = told
    print(words, flush=True)


if __name__ == "__main__":
    main()
