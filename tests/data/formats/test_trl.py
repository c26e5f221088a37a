import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.examples import PairExample
from data.formats import trl
from data.formats.preference_file import read_preferences
from data.records import Choice, Completion, FinishReason, Message, Preference, Prompt, Sampling, Split
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


# Blank answers and prompts are skipped, half surrogates cannot be written.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@st.composite
def pairs_with_prompts(draw: st.DrawFn) -> tuple[tuple[Message, ...], str, str]:
    turns: list[Message] = [{"role": "system", "content": draw(TEXT)}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        turns += [{"role": "user", "content": draw(TEXT)}, {"role": "assistant", "content": draw(TEXT)}]
    chosen, rejected = draw(st.lists(TEXT, min_size=2, max_size=2, unique=True))
    return (*turns, {"role": "user", "content": draw(TEXT)}), chosen, rejected


def preference(messages: tuple[Message, ...], chosen: str, rejected: str) -> Preference:
    prompt = Prompt(1, messages, "", Split.TRAIN, "", None, 0)
    answers = [
        Completion(number, 1, "base", text, (), (), FinishReason.STOP, Sampling(), 0, 0)
        for number, text in enumerate((chosen, rejected))
    ]
    return Preference(1, prompt, answers[0], answers[1], 1.0, ())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pairs_with_prompts(), min_size=1, max_size=3))
def test_what_is_written_can_be_read(tmp_path: Path, written: list[tuple[tuple[Message, ...], str, str]]) -> None:
    path = tmp_path / "out.jsonl"
    trl.write(path, [preference(*pair) for pair in written])
    file = read_preferences(path)
    assert (file.format, file.skipped) == ("trl", [])
    assert file.pairs == [PairExample(*pair) for pair in written]
