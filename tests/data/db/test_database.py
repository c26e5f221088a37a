import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import sqlite_utils

from data.db.database import APPLICATION_ID, Database, insert
from data.errors import ConflictError, DiskFullError, HomeError
from tests.data.scene import raw


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "p.db")) as database:
        yield database


def add_guideline(db: sqlite_utils.Database, version: str, body: str = "be kind") -> int:
    return insert(db, "guideline", {"version": version, "sha256": "", "body": body, "created_at": 0})


def guidelines(database: Database) -> set[str]:
    return {row["version"] for row in database.rows("select version from guideline")}


def test_a_fresh_file_is_marked_as_ours_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "p.db"
    Database(path).close()
    with raw(path) as connection:
        assert connection.execute("pragma application_id").fetchone() == (APPLICATION_ID,)
    assert path.stat().st_mode & 0o077 == 0


def test_the_writer_is_durable_and_guarded(database: Database) -> None:
    def pragmas(db: sqlite_utils.Database) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "secure_delete")
        return [db.execute(f"pragma {name}").fetchone()[0] for name in names]

    assert database.write(pragmas) == ["wal", 2, 1, 1, 1]


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(HomeError, match="cannot be written"):
        database.rows("delete from guideline")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04 a zip", "not made by prefloop"),
        (b"SQLite format 3\0" + b"\0" * 100, "not made"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "p.db"
    path.write_bytes(content)
    with pytest.raises(HomeError, match=words):
        Database(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with raw(path) as connection:
        connection.execute("create table theirs(x)")
    with pytest.raises(HomeError, match=r"p\.db was not made by prefloop"):
        Database(path)


def test_a_damaged_file_is_a_home_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    Database(path).close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    path.write_bytes(content)
    with pytest.raises(HomeError, match=r"p\.db is damaged"):
        Database(path)


def test_damage_found_while_reading_is_a_home_error(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with closing(Database(path)) as database:
        database.write(lambda db: [add_guideline(db, str(i), "x" * 3000) for i in range(50)])
    content = bytearray(path.read_bytes())
    content[-40 * 4096 :] = b"\xa5" * (40 * 4096)
    path.write_bytes(content)
    with closing(Database(path)) as database, pytest.raises(HomeError, match="is damaged"):
        database.rows("select * from guideline")


def test_a_directory_in_place_of_the_file_is_a_home_error(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="cannot be used"):
        Database(tmp_path)


def test_a_file_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    Database(path).close()
    with raw(path) as connection:
        connection.execute(
            "insert into _sqlite_migrations(migration_set, name, applied_at) values ('prefloop', 'telepathy', '')"
        )
    with pytest.raises(HomeError, match=r"newer prefloop .*telepathy"):
        Database(path)


def write_together(
    database: Database, jobs: Sequence[Callable[[sqlite_utils.Database], object]]
) -> list[Future[object]]:
    """Have jobs wait behind a slow one, so that they share a transaction; their futures, all done."""
    held, barrier = threading.Event(), threading.Event()

    def hold(db: sqlite_utils.Database) -> None:
        held.set()
        barrier.wait(10)

    with ThreadPoolExecutor(len(jobs) + 1) as pool:
        pool.submit(database.write, hold)
        held.wait(10)
        futures = [pool.submit(database.write, job) for job in jobs]
        while database._writer._jobs.qsize() < len(jobs):
            threading.Event().wait(0.01)
        barrier.set()
    return futures


def test_a_failing_job_is_undone_and_its_neighbours_are_not(database: Database) -> None:
    def failing(db: sqlite_utils.Database) -> None:
        add_guideline(db, "half done")
        raise ValueError("no")

    one, bad, two = write_together(
        database, [lambda db: add_guideline(db, "one"), failing, lambda db: add_guideline(db, "two")]
    )
    assert {one.result(), two.result()} <= {1, 2, 3}
    with pytest.raises(ValueError, match="no"):
        bad.result()
    assert guidelines(database) == {"one", "two"}


def test_a_full_disk_refuses_what_does_not_fit_and_keeps_the_rest(database: Database) -> None:
    database.write(lambda db: db.execute("pragma max_page_count = 2000").fetchall())
    one, bad, two = write_together(
        database,
        [
            lambda db: add_guideline(db, "one"),
            lambda db: add_guideline(db, "big", "x" * 50_000_000),
            lambda db: add_guideline(db, "two"),
        ],
    )
    assert one.result() != two.result()
    with pytest.raises(HomeError, match="disk is full"):
        bad.result()
    assert guidelines(database) == {"one", "two"}


@pytest.mark.parametrize(
    ("code", "name"),
    [(sqlite3.SQLITE_FULL, "SQLITE_FULL"), (4874, "SQLITE_IOERR_SHMSIZE"), (778, "SQLITE_IOERR_WRITE")],
)
def test_a_disk_without_room_is_told_as_that(
    database: Database, monkeypatch: pytest.MonkeyPatch, code: int, name: str
) -> None:
    monkeypatch.setattr("data.support.disk.free_bytes", lambda _: 0)
    with pytest.raises(DiskFullError, match=r"The disk is full: .*p.db .*nothing saved is lost"):
        database.write(failing_with(code, name))


def test_a_disk_with_room_that_fails_is_not_called_full(database: Database) -> None:
    with pytest.raises(HomeError, match="check the disk"):
        database.write(failing_with(778, "SQLITE_IOERR_WRITE"))


def failing_with(code: int, name: str) -> Callable[[sqlite_utils.Database], None]:
    def work(_: sqlite_utils.Database) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = code, name
        raise error

    return work


def test_a_job_that_ends_the_transaction_takes_no_neighbour_with_it(database: Database) -> None:
    database.write(
        lambda db: (
            db.execute("""
            create temp trigger spoil before insert on guideline when new.version = 'bad'
            begin select raise(rollback, 'all is lost'); end
        """).rowcount
        )
    )
    one, bad, two = write_together(
        database, [partial(add_guideline, version=version) for version in ("one", "bad", "two")]
    )
    assert one.result() != two.result()
    with pytest.raises(sqlite3.IntegrityError, match="all is lost"):
        bad.result()
    assert guidelines(database) == {"one", "two"}


def test_a_write_returns_only_when_others_see_it(database: Database, tmp_path: Path) -> None:
    """Every thread looks with a connection of its own as soon as its write has returned."""

    def write_and_look(number: int) -> bool:
        database.write(lambda db: add_guideline(db, str(number)))
        with raw(tmp_path / "p.db") as other:
            sql = "select count(*) from guideline where version = ?"
            return bool(other.execute(sql, [str(number)]).fetchone()[0])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write_and_look, range(200)))


def test_jobs_that_wait_share_a_commit(database: Database) -> None:
    statements: list[str] = []
    database.write(lambda db: db.conn.set_trace_callback(statements.append))
    for future in write_together(database, [partial(add_guideline, version=str(n)) for n in range(32)]):
        future.result()
    # One of the job that began to listen, one of the slow job, one of all the others.
    assert statements.count("commit") == 3
    assert len(guidelines(database)) == 32


def test_a_write_inside_a_write_is_refused_instead_of_waiting_for_itself(database: Database) -> None:
    with pytest.raises(RuntimeError, match="wait for itself"):
        database.write(lambda db: database.write(lambda inner: None))


def test_close_finishes_what_is_queued_and_leaves_one_file(tmp_path: Path) -> None:
    database = Database(tmp_path / "p.db")
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(database.write, lambda db, n=n: add_guideline(db, str(n))) for n in range(50)]
        for future in futures:
            future.result(10)
    database.close()
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["p.db"]
    with raw(tmp_path / "p.db") as connection:
        assert connection.execute("select count(*) from guideline").fetchone() == (50,)


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = Database(tmp_path / "p.db")
    database.close()
    with pytest.raises(HomeError, match="closed"):
        database.write(lambda db: None)
    with pytest.raises(HomeError, match="closed"):
        database.rows("select 1")


def test_a_backup_opens_and_holds_what_was_committed(database: Database, tmp_path: Path) -> None:
    database.write(lambda db: add_guideline(db, "kept"))
    database.backup(tmp_path / "copy.db")
    with closing(Database(tmp_path / "copy.db")) as copy:
        assert guidelines(copy) == {"kept"}


def test_a_backup_overwrites_nothing(database: Database, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(ConflictError, match="exists already"):
        database.backup(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"


def test_a_backup_into_nowhere_is_a_home_error(database: Database, tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="No such file or directory"):
        database.backup(tmp_path / "missing" / "copy.db")


def test_reading_goes_on_beside_a_long_write(database: Database) -> None:
    held, barrier = threading.Event(), threading.Event()

    def hold(db: sqlite_utils.Database) -> None:
        add_guideline(db, "not yet")
        held.set()
        barrier.wait(10)

    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(database.write, hold)
        held.wait(10)
        assert guidelines(database) == set()
        barrier.set()
        write.result(10)
    assert guidelines(database) == {"not yet"}


def test_threads_that_come_and_go_leave_no_connections(database: Database) -> None:
    for _ in range(20):
        thread = threading.Thread(target=database.rows, args=("select 1",))
        thread.start()
        thread.join()
    assert len(database._readers._idle) == 1


def test_a_copy_of_the_directory_after_close_is_whole(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    database = Database(tmp_path / "home" / "p.db")
    database.write(lambda db: add_guideline(db, "kept"))
    database.close()
    shutil.copytree(tmp_path / "home", tmp_path / "moved")
    with closing(Database(tmp_path / "moved" / "p.db")) as moved:
        assert guidelines(moved) == {"kept"}


def test_a_mistake_in_sql_stays_an_sqlite_error(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        database.rows("select * from jugdment")
