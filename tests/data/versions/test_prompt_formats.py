import pytest

from data.db.database import Row
from data.support.digests import canonical, row_digest, sha256
from tests.data.annotation.test_reasoning_kept import completion_rows
from tests.data.scene import Scene, completion, raw

OLD: dict[str, object] = {"template": "old", "stop": []}
NEW: dict[str, object] = {"template": "new", "stop": ["END"]}
KEY = sha256(canonical(NEW))


def use(scene: Scene, body: dict[str, object]) -> str:
    return scene.store.prompt_formats.put_in_force(body, former=OLD)


def version(scene: Scene, name: str, body: dict[str, object] | None = None) -> str | None:
    scene.store.versions.add(name, round_id=None, parent="base", sha256="0" * 64, prompt_format=body)
    return scene.store.versions.by_name(name).prompt_format


def rows(scene: Scene, table: str) -> list[Row]:
    with raw(scene.path) as connection:
        cursor = connection.execute(f"select * from {table}")
        return [dict(zip((column[0] for column in cursor.description), row, strict=True)) for row in cursor]


def test_a_format_is_known_by_what_is_in_it(scene: Scene) -> None:
    assert use(scene, NEW) == KEY == scene.store.prompt_formats.in_force()
    assert scene.store.prompt_formats.by_sha256(KEY) == NEW
    assert scene.store.prompt_formats.by_sha256("0" * 64) is None


def test_the_last_format_is_in_force_and_every_change_is_kept(scene: Scene) -> None:
    for body in (OLD, NEW, NEW, OLD):
        digest = use(scene, body)
        assert scene.store.prompt_formats.in_force() == digest
    changes = [row["prompt_format"] for row in rows(scene, "prompt_format_in_force")]
    assert changes == [sha256(canonical(body)) for body in (OLD, NEW, OLD)]
    assert len(rows(scene, "prompt_format")) == 2


def test_a_completion_is_stamped_with_the_format_it_was_asked_in(scene: Scene) -> None:
    before = scene.pair()
    use(scene, NEW)
    after = scene.store.pairs.add(scene.prompt_id(), completion("x"), completion("y"))
    assert (before.a.prompt_format, after.a.prompt_format) == (None, KEY)
    assert scene.store.check() == []


def test_a_completion_of_before_has_the_digest_it_had(scene: Scene) -> None:
    scene.pair()
    use(scene, NEW)
    scene.store.pairs.add(scene.prompt_id(), completion("x"), completion("y"))
    old, new = completion_rows(scene)[0], completion_rows(scene)[-1]
    columns = ["prompt_id", "version_id", "text", "token_ids", "logprobs", "finish_reason", "sampling", "seed"]
    assert old["sha256"] == row_digest(old, [*columns, "created_at"])
    assert new["sha256"] == row_digest(new, [*columns, "created_at", "prompt_format"])


@pytest.mark.parametrize("change", ["null", "(select sha256 from prompt_format where sha256 <> prompt_format)"])
def test_a_completion_whose_format_was_changed_is_found(scene: Scene, change: str) -> None:
    use(scene, OLD)
    use(scene, NEW)
    pair = scene.pair()
    with raw(scene.path) as connection:
        connection.execute(f"update completion set prompt_format = {change} where id = ?", [pair.a.id])
    assert scene.store.check() == [f"completion {pair.a.id} is not as it was written"]


def test_a_version_keeps_the_format_it_was_trained_in(scene: Scene) -> None:
    assert version(scene, "v1", NEW) == KEY
    assert scene.store.prompt_formats.by_sha256(KEY) == NEW
    assert scene.store.prompt_formats.in_force() is None


def test_versions_of_before_were_trained_in_the_former_format(scene: Scene) -> None:
    assert version(scene, "v1") is None
    use(scene, NEW)
    assert scene.store.versions.by_name("v1").prompt_format == sha256(canonical(OLD))
    assert scene.store.versions.by_name("base").prompt_format is None
