import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils

from data.db.migrations import STEPS
from data.errors import NotFoundError
from data.records import Role
from data.store import PreferenceStore
from tests.data.scene import MINUTE, Scene


def test_a_session_lasts_until_its_time(scene: Scene) -> None:
    sessions, ann = scene.store.sessions, scene.annotator()
    sessions.open(ann.id, "digest", scene.clock.now + MINUTE)
    assert sessions.person("digest") == ann
    scene.clock.now += MINUTE
    assert sessions.person("digest") is None
    assert sessions.of(ann.id) == []


def test_a_closed_session_is_nobodys(scene: Scene) -> None:
    sessions, ann = scene.store.sessions, scene.annotator()
    sessions.open(ann.id, "digest", scene.clock.now + MINUTE)
    sessions.close("digest")
    sessions.close("digest")
    assert sessions.person("digest") is None
    assert sessions.person("other") is None


def test_sessions_are_listed_newest_first_with_what_they_are(scene: Scene) -> None:
    sessions, ann, later = scene.store.sessions, scene.annotator(), scene.clock.now + MINUTE
    sessions.open(ann.id, "browser", later, agent="Firefox")
    sessions.open(ann.id, "program", later + 1, name="nightly export")
    sessions.open(scene.annotator().id, "another's", later)
    program, browser = sessions.of(ann.id)
    assert (program.name, program.expires_at, program.agent) == ("nightly export", later + 1, "")
    assert (browser.name, browser.created_at, browser.agent) == (None, scene.clock.now, "Firefox")


def test_only_own_sessions_can_be_ended_and_only_once(scene: Scene) -> None:
    sessions, ann, eve = scene.store.sessions, scene.annotator(), scene.annotator()
    sessions.open(ann.id, "digest", scene.clock.now + MINUTE)
    [session] = sessions.of(ann.id)
    with pytest.raises(NotFoundError):
        sessions.end(eve.id, session.id)
    sessions.end(ann.id, session.id)
    with pytest.raises(NotFoundError, match="ended already"):
        sessions.end(ann.id, session.id)
    assert sessions.person("digest") is None


def test_ending_the_other_browsers_leaves_this_one_and_the_programs(scene: Scene) -> None:
    sessions, ann, later = scene.store.sessions, scene.annotator(), scene.clock.now + MINUTE
    for token, name in (("here", None), ("there", None), ("elsewhere", None), ("program", "export")):
        sessions.open(ann.id, token, later, name=name)
    assert sessions.end_other_browsers(ann.id, "here") == 2
    assert {session.token_sha256 for session in sessions.of(ann.id)} == {"here", "program"}
    assert sessions.end_all(ann.id) == 2
    assert sessions.of(ann.id) == []


def test_what_a_session_made_is_revoked_with_it_and_outlives_its_sign_out(scene: Scene) -> None:
    sessions, ann, later = scene.store.sessions, scene.annotator(), scene.clock.now + MINUTE
    sessions.open(ann.id, "here", later)
    sessions.open(ann.id, "there", later)
    for token, maker in (("mine", "here"), ("theirs", "there"), ("theirs too", "theirs"), ("old", None)):
        sessions.open(ann.id, token, later, name=token, maker_sha256=maker)
    [there] = [session for session in sessions.of(ann.id) if session.token_sha256 == "there"]
    sessions.end(ann.id, there.id)
    assert {session.token_sha256 for session in sessions.of(ann.id)} == {"here", "mine", "old"}
    sessions.close("here")
    assert sessions.person("mine") == ann


def test_what_other_browsers_made_ends_with_them(scene: Scene) -> None:
    sessions, ann, later = scene.store.sessions, scene.annotator(), scene.clock.now + MINUTE
    for token, maker in (("here", None), ("there", None), ("mine", "here"), ("theirs", "there")):
        sessions.open(ann.id, token, later, name=None if maker is None else token, maker_sha256=maker)
    assert sessions.end_other_browsers(ann.id, "here") == 1
    assert {session.token_sha256 for session in sessions.of(ann.id)} == {"here", "mine"}


def test_a_session_of_an_older_store_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with PreferenceStore.open(path, clock=lambda: 1000) as store:
        ann = store.people.add("ann", Role.ANNOTATOR)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("""
            drop table session; drop table device; drop table invite;
            alter table annotator drop column disabled_at;
            create table session(token_sha256 text primary key, annotator_id integer not null references annotator(id),
              created_at integer not null, expires_at integer not null) strict, without rowid;
            insert into session values ('digest', 1, 500, 2000);
            delete from _sqlite_migrations where name in ('accounts', 'session_makers');
        """)
        pending = [step.name for step in STEPS.pending(sqlite_utils.Database(connection))]
        assert pending == ["accounts", "session_makers"]
    with PreferenceStore.open(path, clock=lambda: 1000) as store:
        assert store.sessions.person("digest") == ann
        [session] = store.sessions.of(ann.id)
        assert (session.name, session.created_at, session.expires_at) == (None, 500, 2000)
        assert store.check() == []
