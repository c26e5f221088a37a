"""What a round is frozen with, over real adapters of a random model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.rounds.algorithms import Algorithm
from app.rounds.planner import Planner, admission, parent_of
from app.rounds.training_settings import TrainingSettings
from app.serving.adapter_store import AdapterStore
from data.errors import AdapterError, ConflictError, RoundError
from data.records import Choice, Round, RoundState, Snapshot, Split
from data.rounds.selection import select
from data.rounds.vote_table import Vote
from data.store import PreferenceStore
from trainer.interface.adapter_files import directory_sha256
from trainer.interface.config import FromBase, FromMerged, FromVersion, RoundConfig, training_config
from trainer.interface.round_dir import RoundDir

NewVersion = Callable[[str, int], Path]
Plan = Callable[..., Planner]
NOTHING = select([])
DECIDED = select([Vote(1, 1, Choice.A, 1, Split.TRAIN)])
BAD = select([Vote(1, 1, Choice.BOTH_BAD, None, Split.TRAIN)])


SIZE = 1_600_000


@pytest.fixture
def planner(store: PreferenceStore, adapter_store: AdapterStore) -> Plan:
    """Makes a planner for `[training]` keys, and for adapters of rank 12 at most."""

    def make(**given: object) -> Planner:
        trainings = TrainingSettings({"rank": 8, **given}, SIZE)
        template = RoundConfig(model="random", revision="0", seed=5)
        return Planner(store.versions, adapter_store, template=template, training_settings=trainings, max_rank=12)

    return make


def begun(config: RoundConfig) -> Round:
    return Round(3, RoundState.QUEUED, None, config.model_dump(mode="json"), {}, None, 0, None, flip_rate=0.1)


def test_a_round_from_the_base_has_no_parent(planner: Plan) -> None:
    config = planner(beta=0.2).plan(None, champion="base")

    assert (config.training.reference, config.parent_sha256, config.seed) == (FromBase(), None, 5)
    assert config.training == TrainingSettings({"rank": 8, "beta": 0.2}, SIZE).of()
    assert parent_of(config) == "base"


def test_the_algorithm_that_is_asked_for_is_planned(planner: Plan) -> None:
    plans = planner(algorithm="ipo")

    assert plans.configured is Algorithm.IPO
    assert plans.plan(None, champion="base").training.algorithm == "ipo"
    assert plans.plan(Algorithm.KTO, champion="base").training.algorithm == "kto"


@pytest.mark.parametrize("kind", ["version", "merged"])
def test_the_champion_is_whoever_serves_when_the_round_starts(
    planner: Plan, new_version: NewVersion, store: PreferenceStore, kind: str
) -> None:
    new_version("v1", 1)
    config = planner(reference={"kind": kind}).plan(None, champion="v1")

    expected = {"version": FromVersion, "merged": FromMerged}[kind]
    assert config.training.reference == expected(kind=kind, name="v1")
    assert config.parent_sha256 == store.versions.by_name("v1").sha256
    assert parent_of(config) == "v1"


def test_what_serves_is_kept_to_be_compared_with(
    planner: Plan, new_version: NewVersion, store: PreferenceStore, tmp_path: Path
) -> None:
    path = new_version("v1", 1)
    config = planner().plan(None, champion="v1")
    directory = RoundDir(tmp_path / "round")
    planner().freeze(begun(config), Snapshot((), (), {}), directory)

    assert (config.champion, config.champion_sha256) == ("v1", store.versions.by_name("v1").sha256)
    assert directory_sha256(directory.champion) == directory_sha256(path)
    assert not directory.parent.exists()


def test_the_base_has_no_files_to_be_compared_with(planner: Plan) -> None:
    config = planner().plan(None, champion="base")
    assert (config.champion, config.champion_sha256) == ("base", None)


@pytest.mark.parametrize("name", ["champion", "base"])
def test_a_reference_that_is_the_base_is_a_fresh_start(planner: Plan, name: str) -> None:
    config = planner(reference={"kind": "merged", "name": name}).plan(None, champion="base")

    assert (config.training.reference, config.parent_sha256) == (FromBase(), None)


def test_a_reference_by_name_stays_whoever_serves(planner: Plan, new_version: NewVersion) -> None:
    new_version("v1", 1)
    new_version("v2", 2)

    assert parent_of(planner(reference={"kind": "version", "name": "v1"}).plan(None, champion="v2")) == "v1"


def test_a_reference_that_does_not_exist_is_named(planner: Plan, new_version: NewVersion) -> None:
    new_version("v1", 1)
    with pytest.raises(ConflictError, match=r"reference version v9 does not exist; .* \(there is base, v1\)"):
        planner(reference={"kind": "version", "name": "v9"}).plan(None, champion="v1")


def test_a_reference_whose_files_have_changed_is_refused(planner: Plan, new_version: NewVersion) -> None:
    path = new_version("v1", 1)
    (path / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match="adapter v1 is refused: its files have changed"):
        planner(reference={"kind": "version"}).plan(None, champion="v1")


@pytest.mark.parametrize(
    ("kind", "rank", "words"),
    [
        ("base", 13, r"rank 13 \(the training's rank\).*served is 12; set max_rank = 13"),
        ("merged", 9, r"rank 13 \(its reference's 4 and 9 on top\)"),
    ],
)
def test_a_rank_that_would_not_be_served_is_refused_before_training(
    planner: Plan, new_version: NewVersion, kind: str, rank: int, words: str
) -> None:
    new_version("v1", 1)
    with pytest.raises(ConflictError, match=words):
        planner(rank=rank, reference={"kind": kind}).plan(None, champion="v1")
    assert planner(rank=rank - 1, reference={"kind": kind}).plan(None, champion="v1")


def test_a_version_that_trains_on_keeps_its_own_rank(planner: Plan, new_version: NewVersion) -> None:
    new_version("v1", 1)

    assert planner(rank=99, reference={"kind": "version"}).plan(None, champion="v1")


def test_the_directory_has_seed_flip_rate_and_parent(planner: Plan, new_version: NewVersion, tmp_path: Path) -> None:
    adapter = new_version("v1", 1)
    plans, directory = planner(reference={"kind": "merged"}), RoundDir(tmp_path / "rounds" / "000003")
    plans.freeze(begun(plans.plan(None, champion="v1")), Snapshot((), (), {}, flip_rate=0.1), directory)

    config = directory.config()
    assert (config.seed, config.flip_rate, parent_of(config)) == (8, 0.1, "v1")
    assert directory_sha256(directory.parent) == config.parent_sha256 == directory_sha256(adapter)


def test_a_round_from_the_base_is_frozen_without_a_parent(planner: Plan, tmp_path: Path) -> None:
    directory = RoundDir(tmp_path / "000003")
    planner().freeze(begun(planner().plan(None, champion="base")), Snapshot((), (), {}), directory)

    assert not directory.parent.exists()


def test_a_record_of_another_prefloop_is_refused_in_words(planner: Plan, tmp_path: Path) -> None:
    entry = replace(begun(planner().plan(None, champion="base")), config={"modle": "x"})
    with pytest.raises(RoundError, match="round 3 was begun by another version of prefloop; start a new one"):
        planner().freeze(entry, Snapshot((), (), {}), RoundDir(tmp_path / "000003"))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_only_kto_is_content_with_ratings(algorithm: Algorithm) -> None:
    admit = admission(training_config({"algorithm": algorithm.value}, parameters=SIZE))

    admit(DECIDED, 0.1)
    with pytest.raises(ConflictError, match="judge some pairs first"):
        admit(NOTHING, 0.1)
    if algorithm is Algorithm.KTO:
        admit(BAD, None)
    else:
        with pytest.raises(ConflictError, match="no pair with a winner"):
            admit(BAD, 0.1)


@pytest.mark.parametrize("algorithm", ["cdpo", "robust"])
def test_a_flip_rate_that_was_not_measured_is_asked_for(algorithm: str) -> None:
    measured = training_config({"algorithm": algorithm}, parameters=SIZE)
    told = training_config({"algorithm": algorithm, "label_smoothing": 0.1}, parameters=SIZE)

    with pytest.raises(ConflictError, match=f"{algorithm} needs to know how often labels are flipped.*set label_"):
        admission(measured)(DECIDED, None)
    admission(measured)(DECIDED, 0.2)
    admission(told)(DECIDED, None)
