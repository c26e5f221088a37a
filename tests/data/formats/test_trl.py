import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.formats import trl
from data.records import Choice, Preference
from tests.data.scene import Scene, completion


@pytest.fixture
def preferences(scene: Scene) -> tuple[Preference, ...]:
    ann = scene.annotator()
    scene.judge(ann, Choice.B, scene.pair())
    prompt_id = scene.prompt_id()
    pair = scene.store.pairs.add(prompt_id, completion("你好\u2028\n🙂"), completion('"no"'))
    scene.judge(ann, Choice.A, pair)
    return scene.store.rounds.preferences()


def test_a_line_is_an_explicit_conversational_preference(preferences: tuple[Preference, ...], tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert trl.write(path, preferences) == 2
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    for line, preference in zip(lines, preferences, strict=True):
        assert line == {
            "prompt": [{"role": "user", "content": preference.prompt.messages[0]["content"]}],
            "chosen": [{"role": "assistant", "content": preference.chosen.text}],
            "rejected": [{"role": "assistant", "content": preference.rejected.text}],
        }
    assert lines[1]["chosen"][0]["content"] == "你好\u2028\n🙂"
    assert lines == list(trl.rows(preferences))


def test_the_datasets_library_reads_it(preferences: tuple[Preference, ...], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the datasets library is not installed")
    path = tmp_path / "out.jsonl"
    trl.write(path, preferences)
    loaded = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "c"))
    assert [row["chosen"] for row in loaded] == [row["chosen"] for row in trl.rows(preferences)]


def test_who_reads_the_old_file_meanwhile_reads_all_of_it(preferences: tuple[Preference, ...], tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with path.open() as reader:
        trl.write(path, preferences)
        assert reader.read() == "old"


def test_nothing_to_write_is_an_empty_file(tmp_path: Path) -> None:
    assert trl.write(tmp_path / "out.jsonl", []) == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(
    preferences: tuple[Preference, ...], tmp_path: Path
) -> None:
    def failing() -> Iterator[Preference]:
        yield from preferences
        raise ValueError("half way")

    directory = tmp_path / "exports"
    directory.mkdir()
    (directory / "out.jsonl").write_text("old")
    with pytest.raises(ValueError, match="half way"):
        trl.write(directory / "out.jsonl", failing())
    assert {path.name: path.read_text() for path in directory.iterdir()} == {"out.jsonl": "old"}
