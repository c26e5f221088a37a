import sqlite3

import pytest

from data.integrity import sqlite_caveat
from data.records import Choice
from tests.data.scene import Scene, raw

UNGUARDED = "drop trigger judgment_no_update"


@pytest.fixture
def judged(scene: Scene) -> Scene:
    ann = scene.annotator()
    for choice in (Choice.A, Choice.SKIP, Choice.TIE):
        scene.judge(ann, choice, scene.pair())
    scene.undo(ann)
    return scene


def test_a_sound_store_has_no_problems(judged: Scene) -> None:
    assert judged.store.check() == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("update completion set text = 'other' where id = 2", "completion 2 is not as it was written"),
        ("update completion set logprobs = '[-0.25,-1.5,-0.002]' where id = 1", "completion 1 is not as"),
        (f"{UNGUARDED}; update judgment set choice = 'b' where id = 1", "judgment 1 is not as it was written"),
        (f"{UNGUARDED}; update judgment set created_at = 1", "the trigger judgment_no_update is missing"),
        ("update prompt set messages = replace(messages, 'question', 'query')", "prompt 1 is not as it was"),
        ("update pair set judged = 5 where id = 2", "pair 2 has a wrong count of judgments"),
        ("update prompt set pairs = pairs + 1 where id = 1", "prompt 1 has a wrong count of pairs"),
        ("update pair set prompt_id = 99 where id = 1", "pair 1 refers to a prompt that does not exist"),
    ],
)
def test_damage_is_found_and_named(judged: Scene, damage: str, words: str) -> None:
    with raw(judged.path) as connection:
        connection.executescript(damage)
    assert any(words in problem for problem in judged.store.check())


def test_a_flipped_bit_that_sqlite_does_not_see_is_found(judged: Scene) -> None:
    judged.store.backup(judged.path.with_name("copy.db"))
    judged.store.close()
    content = judged.path.read_bytes()
    assert b"left" in content
    judged.path.write_bytes(content.replace(b"left", b"lEft"))
    with raw(judged.path) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    with type(judged.store).open(judged.path) as store:
        assert [problem for problem in store.check() if "completion" in problem]
    with type(judged.store).open(judged.path.with_name("copy.db")) as store:
        assert store.check() == []


@pytest.mark.parametrize(
    ("version", "warned"),
    [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 44, 6), False), ((3, 52, 0), False)],
)
def test_the_sqlite_with_the_bug_is_named(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], warned: bool
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    assert (sqlite_caveat() is not None) == warned
