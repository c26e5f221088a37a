import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

from data.db import database
from data.db.migrations import STEPS
from data.errors import HomeError
from data.records import Choice
from data.store import PreferenceStore
from tests.data.scene import HandClock, Scene, raw

BEFORE_REMARKS = Path(__file__).parent / "stores/before_remarks.sql"
COPY = """
    {verb} into judgment({id} pair_id, annotator_id, lease_id, idempotency_key, choice, swapped, created_at,
      supersedes_id, sha256)
    values ({value} :pair_id, :annotator_id, :lease_id, :key, :choice, 0, 1, :supersedes, '')
"""
REPLACE_ID = COPY.format(verb="insert or replace", id="id,", value=":id,")
REPLACE = COPY.format(verb="insert or replace", id="", value="")
INSERT = COPY.format(verb="insert", id="", value="")


@pytest.fixture
def judged(scene: Scene) -> dict[str, object]:
    """A judgment of another lease's place, as parameters for the statements above."""
    judgment = scene.judge(scene.annotator(), Choice.A, scene.pair(target=3))
    with raw(scene.path) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("select * from judgment where id = ?", [judgment.id]).fetchone())
    return row | {"key": "new", "supersedes": None, "choice": "b"}


@pytest.mark.parametrize(
    ("sql", "changes"),
    [
        ("update judgment set choice = 'b' where id = :id", {}),
        ("update or replace judgment set choice = 'b' where id = :id", {}),
        ("delete from judgment where id = :id", {}),
        (REPLACE_ID, {}),
        (REPLACE, {"key": "of the row itself"}),
        (REPLACE, {}),
        (INSERT, {}),
    ],
)
@pytest.mark.parametrize("pragmas", [(), ("recursive_triggers = on",)])
def test_a_judgment_cannot_be_changed_on_any_connection(
    scene: Scene, judged: dict[str, object], sql: str, changes: dict[str, object], pragmas: tuple[str, ...]
) -> None:
    params = judged | changes
    if "key" in changes:
        params["key"] = judged["idempotency_key"]
    before = scene.store.judgments.history(int(str(judged["annotator_id"])), 9)
    with raw(scene.path) as connection:
        for pragma in pragmas:
            connection.execute(f"pragma {pragma}")
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(sql, params)
    assert scene.store.judgments.history(int(str(judged["annotator_id"])), 9) == before


def test_a_row_is_superseded_once_and_only_by_its_annotator(scene: Scene, judged: dict[str, object]) -> None:
    other = scene.annotator()
    with raw(scene.path) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="same pair and annotator"):
            theirs = judged | {"annotator_id": other.id, "supersedes": judged["id"], "lease_id": 99}
            connection.execute(INSERT, theirs)
        undo = judged | {"choice": "retracted", "key": None, "supersedes": judged["id"]}
        connection.execute(INSERT, undo)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(INSERT, undo)


@pytest.mark.parametrize(
    "changes",
    [{"choice": "c"}, {"choice": "retracted", "key": None}, {"choice": "retracted"}, {"key": None}],
)
def test_a_judgment_that_means_nothing_is_refused(
    scene: Scene, judged: dict[str, object], changes: dict[str, object]
) -> None:
    other = scene.annotator()
    with raw(scene.path) as connection, pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(INSERT, judged | {"annotator_id": other.id, "lease_id": 99} | changes)


@pytest.mark.parametrize(
    "sql",
    [
        "update round_judgment set role = 'heldout'",
        "delete from round_judgment",
        "insert or replace into round_judgment select round_id, judgment_id, 'heldout' from round_judgment",
    ],
)
def test_a_snapshot_cannot_be_changed(scene: Scene, judged: dict[str, object], sql: str) -> None:
    created = scene.store.rounds.create(config={}, started_by=None)
    snapshot = scene.store.rounds.snapshot(created.id)
    with raw(scene.path) as connection, pytest.raises(sqlite3.IntegrityError, match="frozen"):
        connection.execute(sql)
    assert scene.store.rounds.snapshot(created.id) == snapshot


def test_every_table_of_ours_is_strict(scene: Scene) -> None:
    with raw(scene.path) as connection:
        tables = connection.execute("select name, strict from pragma_table_list where schema = 'main'").fetchall()
    loose = {name for name, strict in tables if not strict}
    assert loose <= {"sqlite_schema", "sqlite_sequence", "_sqlite_migrations", "current_judgment"}
    assert len(tables) > 14


def test_opening_again_changes_nothing(scene: Scene) -> None:
    with raw(scene.path) as connection:
        schema = connection.execute("select sql from sqlite_master order by name").fetchall()
    scene.store.close()
    with closing(sqlite_utils.Database(scene.path)) as db:
        assert STEPS.pending(db) == []
        STEPS.apply(db)
        assert db.execute("select sql from sqlite_master order by name").fetchall() == schema


def test_a_round_of_an_older_store_has_no_flip_rate(scene: Scene) -> None:
    scene.judge(scene.annotator(), Choice.A, scene.pair())
    created = scene.store.rounds.create(config={}, started_by=None)
    snapshot = scene.store.rounds.snapshot(created.id)
    scene.store.close()
    with raw(scene.path) as connection:
        connection.execute("alter table round drop column flip_rate")
        connection.execute("delete from _sqlite_migrations where name = 'flip_rates'")
    with PreferenceStore.open(scene.path) as store:
        assert store.rounds.by_id(created.id) == created
        assert store.rounds.snapshot(created.id) == snapshot
        assert snapshot.flip_rate is None
        assert store.check() == []


def test_a_store_of_before_remarks_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "prefloop.db"
    with raw(path) as connection:
        connection.executescript(BEFORE_REMARKS.read_text())
    with PreferenceStore.open(path, clock=HandClock(1_700_000_005_000)) as store:
        assert store.check() == []
        ann, ben = store.people.all()
        assert store.sessions.person("a" * 64) == ann
        standing = store.judgments.standing(ann.id, before=None, limit=9)
        said = [(judgment.pair_id, judgment.choice, judgment.strength) for judgment in standing]
        assert said == [(4, Choice.B, None), (3, Choice.TIE, None), (2, Choice.B, 2), (1, Choice.A, 2)]
        assert [pair.chosen.text for pair in store.rounds.snapshot(1).train] == ["left 2", "right 4"]
        now = store.rounds.preview()
        assert sorted(pair.chosen.text for pair in now.train + now.heldout) == ["left 2", "right 10", "right 4"]
        scene = Scene(store, path, HandClock())
        assert scene.lease(ben).pair.id == 6
        lease, _ = scene.undo(ann)
        assert scene.answer(lease, Choice.A).pair_id == 4
        assert store.check() == []


def test_a_read_only_directory_is_a_home_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the refusal itself is played; what it turns into is not."""

    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(database, "replacing", refuse)
    with pytest.raises(HomeError, match="Permission denied; check the path"):
        database.Database(tmp_path / "p.db")
