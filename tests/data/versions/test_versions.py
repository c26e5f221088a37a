import pytest

from data.errors import ConflictError, HomeError, InputError, NotFoundError
from data.records import BaseModel, ServingAction
from tests.data.scene import Scene

DIGEST = "ab" * 32


def test_the_base_is_bound_once(scene: Scene) -> None:
    base = scene.store.versions.ensure_base("tiny", "r1")
    assert (base.name, base.sha256, base.parent, base.round_id) == ("base", None, None, None)
    assert scene.store.versions.all() == [base]


@pytest.mark.parametrize(("model", "revision"), [("other", "r1"), ("tiny", "r2")])
def test_another_model_is_refused_with_the_way_out(scene: Scene, model: str, revision: str) -> None:
    with pytest.raises(HomeError, match=f"tiny at revision r1, not to {model} at {revision}.*--home.*--model tiny"):
        scene.store.versions.ensure_base(model, revision)


def test_a_version_is_found_by_name(scene: Scene) -> None:
    version = scene.store.versions.add("v1", round_id=None, parent="base", sha256=DIGEST)
    assert (version.parent, version.sha256) == ("base", DIGEST)
    assert scene.store.versions.by_name("v1") == version
    assert [v.name for v in scene.store.versions.all()] == ["base", "v1"]


def test_a_name_is_never_used_again(scene: Scene) -> None:
    scene.add_version("v1")
    for name in ("v1", "base"):
        with pytest.raises(ConflictError, match=f"version {name} exists already"):
            scene.add_version(name)


@pytest.mark.parametrize("name", ["", "../v1", ".hidden", "a b", "x" * 65])
def test_a_name_unfit_for_a_directory_is_refused(scene: Scene, name: str) -> None:
    with pytest.raises(InputError, match="choose another"):
        scene.add_version(name)


def test_what_a_version_refers_to_must_be_there(scene: Scene) -> None:
    versions = scene.store.versions
    with pytest.raises(NotFoundError, match="no adapter version v0"):
        versions.add("v1", round_id=None, parent="v0", sha256=DIGEST)
    with pytest.raises(NotFoundError, match="no round 7"):
        versions.add("v1", round_id=7, parent="base", sha256=DIGEST)
    with pytest.raises(InputError, match="not a sha256"):
        versions.add("v1", round_id=None, parent="base", sha256="short")
    with pytest.raises(NotFoundError, match="no adapter version v1"):
        versions.by_name("v1")


def test_the_champion_is_the_version_that_began_to_serve_last(scene: Scene) -> None:
    versions, admin = scene.store.versions, scene.annotator()
    assert versions.champion() is None
    scene.add_version("v1")
    for name, action in (
        ("base", ServingAction.INSTALL),
        ("v1", ServingAction.PROMOTE),
        ("base", ServingAction.ROLLBACK),
    ):
        event = versions.record_serving(name, action, actor_id=admin.id, reason="because")
        assert versions.champion() == versions.by_name(name)
        assert event == versions.serving_history()[-1]
    assert [event.version for event in versions.serving_history()] == ["base", "v1", "base"]


def test_an_unknown_version_cannot_serve(scene: Scene) -> None:
    with pytest.raises(NotFoundError, match="no adapter version v9"):
        scene.store.versions.record_serving("v9", ServingAction.PROMOTE, actor_id=None, reason="")


def test_the_licence_found_beside_the_base_is_kept_as_of_the_last_start(scene: Scene) -> None:
    versions = scene.store.versions
    assert versions.base_model() == BaseModel("tiny", "r1", None)
    versions.note_license("mit (LICENSE)")
    assert versions.base_model() == BaseModel("tiny", "r1", "mit (LICENSE)")
    versions.note_license(None)
    assert versions.base_model() == BaseModel("tiny", "r1", None)


def test_a_model_in_a_directory_is_told_to_others_by_its_last_part() -> None:
    assert BaseModel("/home/anna/models/egg", "r1", None).title == "egg"
    assert BaseModel("owner/egg", "r1", None).title == "owner/egg"
