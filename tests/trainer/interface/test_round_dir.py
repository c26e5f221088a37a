"""The round directory: what is frozen stays, what is written appears whole."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import RoundError
from data.records import Snapshot
from tests.models import REPORT
from tests.trainer.scene import preference, toy_pairs, toy_snapshot
from trainer.interface.config import RoundConfig
from trainer.interface.manifest import Canary, Manifest, Progress
from trainer.interface.round_dir import RoundDir
from trainer.interface.snapshot import lines_of_store

COUNTS = {"train": 12, "heldout": 4, "rated": 0, "excluded": {"tie": 3}}
CONFIG = RoundConfig(model="built-in", revision="abc", seed=1)


@pytest.fixture
def directory(tmp_path: Path) -> RoundDir:
    directory = RoundDir(tmp_path / "rounds" / "7")
    directory.freeze(CONFIG, lines_of_store(toy_snapshot()))
    return directory


class TestFreezing:
    def test_config_and_pairs_are_read_as_they_were_frozen(self, directory: RoundDir) -> None:
        snapshot = toy_snapshot()
        assert directory.config() == CONFIG
        for read, frozen in ((directory.pairs(), snapshot.train), (directory.heldout(), snapshot.heldout)):
            assert len(read) == len(frozen) > 0
            for line, wanted in zip(read, frozen, strict=True):
                assert line.pair_id == wanted.pair_id
                assert line.prompt == wanted.prompt.messages
                assert line.chosen.token_ids == wanted.chosen.token_ids
                assert line.rejected.token_ids == wanted.rejected.token_ids
                assert line.strength == wanted.strength

    def test_the_counts_stand_beside_the_hash(self, directory: RoundDir) -> None:
        counts = json.loads((directory.path / "snapshot.json").read_text())
        assert counts == {"sha256": directory.snapshot_sha256(), **COUNTS}

    def test_the_hash_is_of_the_content(self, directory: RoundDir, tmp_path: Path) -> None:
        again, other = RoundDir(tmp_path / "again"), RoundDir(tmp_path / "other")
        assert again.freeze(CONFIG, lines_of_store(toy_snapshot())) == directory.snapshot_sha256()
        assert (
            other.freeze(CONFIG.model_copy(update={"seed": 2}), lines_of_store(toy_snapshot()))
            != directory.snapshot_sha256()
        )

    def test_a_frozen_round_is_not_frozen_over(self, directory: RoundDir) -> None:
        with pytest.raises(FileExistsError):
            directory.freeze(CONFIG, lines_of_store(toy_snapshot()))

    def test_a_version_is_copied_beside_them(self, tmp_path: Path) -> None:
        version = tmp_path / "round-000003"
        version.mkdir()
        (version / "adapter_config.json").write_text("{}")
        directory = RoundDir(tmp_path / "7")
        directory.freeze(CONFIG, lines_of_store(toy_snapshot()), parent=version)
        assert (directory.parent / "adapter_config.json").read_text() == "{}"

    def test_a_freeze_that_fails_half_way_leaves_nothing_and_can_be_done_again(self, tmp_path: Path) -> None:
        directory = RoundDir(tmp_path / "7")
        with pytest.raises(FileNotFoundError):
            directory.freeze(CONFIG, lines_of_store(toy_snapshot()), parent=tmp_path / "nowhere")
        assert not directory.path.exists()
        directory.freeze(CONFIG, lines_of_store(toy_snapshot()))
        assert len(directory.pairs()) == 12

    @pytest.mark.parametrize("break_", ["\u2028", "\u2029", "\x85", "\x0b", "\x1e", "\r\n", "\n", '"', "\\", "中"])
    def test_any_character_may_stand_in_a_prompt(self, tmp_path: Path, break_: str) -> None:
        """U+2028 and its like end a line for str.splitlines, but not for JSON lines."""
        directory = RoundDir(tmp_path / "7")
        wanted = preference(1, toy_pairs(1)[0], text=f"one{break_}two")
        directory.freeze(CONFIG, lines_of_store(Snapshot((wanted,), (), {})))
        assert [pair.prompt for pair in directory.pairs()] == [wanted.prompt.messages]
        assert directory.heldout() == []


class TestChanges:
    @pytest.mark.parametrize("name", ["config.json", "pairs.jsonl", "heldout.jsonl", "rated.jsonl"])
    def test_a_changed_file_is_refused(self, directory: RoundDir, name: str) -> None:
        file = directory.path / name
        file.write_bytes(file.read_bytes() + b"\n")
        with pytest.raises(RoundError, match="config or pairs were changed after they were frozen"):
            directory.snapshot_sha256()

    def test_a_pair_that_moves_from_training_to_held_out_is_refused(self, directory: RoundDir) -> None:
        """The two files' bytes, one after the other, are the same as before."""
        train, heldout = directory.path / "pairs.jsonl", directory.path / "heldout.jsonl"
        *kept, moved = train.read_text().splitlines(keepends=True)
        train.write_text("".join(kept))
        heldout.write_text(moved + heldout.read_text())
        with pytest.raises(RoundError, match="were changed after they were frozen"):
            directory.snapshot_sha256()

    @pytest.mark.parametrize("name", ["config.json", "pairs.jsonl", "heldout.jsonl", "rated.jsonl", "snapshot.json"])
    def test_a_missing_file_is_named(self, directory: RoundDir, name: str) -> None:
        (directory.path / name).unlink()
        with pytest.raises(RoundError, match=rf"is not complete: .*{name}"):
            directory.snapshot_sha256()

    @pytest.mark.parametrize("content", ["", "{", "{}"])
    def test_a_damaged_snapshot_file_is_refused(self, directory: RoundDir, content: str) -> None:
        (directory.path / "snapshot.json").write_text(content)
        with pytest.raises(RoundError, match="is not complete"):
            directory.snapshot_sha256()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"learning_rat": 1}, "learning_rat"),
            ({"training": {"bta": 1}}, r"training\.dpo\.bta"),
            ({"training": {"beta": -1}}, r"training\.dpo\.beta"),
            ({"seed": "many"}, "seed"),
        ],
    )
    def test_an_unknown_or_bad_key_is_named(self, directory: RoundDir, change: dict[str, object], words: str) -> None:
        file = directory.path / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        with pytest.raises(RoundError, match=words):
            directory.config()


class TestMetrics:
    def test_none_before_the_first_step(self, directory: RoundDir) -> None:
        assert directory.metrics() == []

    def test_a_line_still_being_written_is_left_out(self, directory: RoundDir) -> None:
        directory.add_metrics({"step": 1, "loss": 0.5})
        with directory.metrics_file.open("a") as stream:
            stream.write('{"step": 2, "loss": 0.')
        assert directory.metrics() == [{"step": 1, "loss": 0.5}]

    def test_cutting_forgets_what_came_after(self, directory: RoundDir) -> None:
        for step in (1, 2, 3, 4):
            directory.add_metrics({"step": step})
        directory.cut_metrics(2)
        directory.add_metrics({"step": 3})
        assert [line["step"] for line in directory.metrics()] == [1, 2, 3]


@pytest.fixture
def manifest(directory: RoundDir) -> Manifest:
    canary = Canary(prompt=({"role": "user", "content": "?"},), token_ids=(1,), logprobs=(-1.0,), base_logprobs=(-2.0,))
    return Manifest(
        snapshot_sha256=directory.snapshot_sha256(),
        adapter_sha256="0" * 64,
        model="m",
        revision="r",
        steps=3,
        report=REPORT,
        canary=canary,
        software={"torch": "2"},
    )


def test_a_manifest_comes_back_as_it_was_set(directory: RoundDir, manifest: Manifest) -> None:
    assert directory.manifest() is None
    directory.set_manifest(manifest)
    assert directory.manifest() == manifest


def test_a_round_is_taken_while_a_trainer_has_it_and_when_it_has_ended_well(
    directory: RoundDir, manifest: Manifest
) -> None:
    assert not directory.taken()
    with directory.lock.open("w") as lock:
        assert not directory.taken()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert directory.taken()
    assert not directory.taken()
    directory.set_manifest(manifest)
    assert directory.taken()


def test_progress_comes_back_as_it_was_set(directory: RoundDir) -> None:
    assert directory.progress() is None
    progress = Progress(phase="training", step=2, steps=9, seconds_left=1.5)
    directory.set_progress(progress)
    assert directory.progress() == progress


def test_a_failure_is_forgotten_at_a_new_start(directory: RoundDir) -> None:
    assert directory.failure() is None
    directory.set_failure("out of memory")
    assert directory.failure() == "out of memory"
    directory.set_failure(None)
    directory.set_failure(None)
    assert directory.failure() is None


def test_a_write_that_dies_half_way_leaves_what_was_there(
    directory: RoundDir, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.set_progress(Progress(phase="loading"))

    def torn(path: Path, text: str) -> int:
        with path.open("w") as stream:
            stream.write(text[: len(text) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", torn)
    writes: list[Callable[[], None]] = [
        lambda: directory.set_progress(Progress(phase="training")),
        lambda: directory.set_manifest(manifest),
    ]
    for write in writes:
        with pytest.raises(OSError, match="no space left"):
            write()
    assert directory.progress() == Progress(phase="loading")
    assert directory.manifest() is None
