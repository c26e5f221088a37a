from pathlib import Path

import pytest

from app.rounds.training_settings import training_of
from app.settings.effective import EffectiveSetting, SettingSource, effective
from app.settings.settings import Settings, load_settings

FILE = """
buffer = 32
host = "127.0.0.1"
[queue]
gold = 0.1
[sampling]
temperature = 0.5
[training]
rank = 4
"""


def in_force(settings: Settings) -> dict[str, EffectiveSetting]:
    training = training_of(settings.training, parameters=10)
    return {one.key: one for one in effective(settings, training, training_of({}, parameters=10))}


@pytest.fixture
def found(tmp_path: Path) -> dict[str, EffectiveSetting]:
    (tmp_path / "prefloop.toml").write_text(FILE)
    return in_force(load_settings(tmp_path, port=0, model=None))


@pytest.mark.parametrize(
    ("key", "value", "default", "source"),
    [
        ("port", 0, 7860, SettingSource.FLAG),
        ("buffer", 32, 16, SettingSource.FILE),
        ("host", "127.0.0.1", "127.0.0.1", SettingSource.FILE),  # said, if only what it would be anyway
        ("goal", 50, 50, SettingSource.DEFAULT),
        ("model", "built-in", "built-in", SettingSource.DEFAULT),
        ("model.name", "built-in", "built-in", SettingSource.DEFAULT),
        ("model.system", None, None, SettingSource.DEFAULT),
        ("queue.gold", 0.1, 0.05, SettingSource.FILE),
        ("queue.reask", 0.03, 0.03, SettingSource.DEFAULT),
        ("sampling.temperature", 0.5, 0.9, SettingSource.FILE),
        ("sampling.max_new_tokens", None, None, SettingSource.DEFAULT),
        ("sampling.top_p", 0.95, 0.95, SettingSource.DEFAULT),
        ("training.rank", 4, 8, SettingSource.FILE),
        ("training.algorithm", "dpo", "dpo", SettingSource.DEFAULT),
    ],
)
def test_each_value_tells_where_it_came_from(
    found: dict[str, EffectiveSetting], key: str, value: object, default: object, source: SettingSource
) -> None:
    assert found[key] == EffectiveSetting(key, value, default, source)


def test_without_a_file_all_are_defaults(tmp_path: Path) -> None:
    found = in_force(load_settings(tmp_path))
    assert {one.source for one in found.values()} == {SettingSource.DEFAULT}
    assert all(one.value == one.default for one in found.values())


def test_the_command_line_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text("port = 1")
    port = in_force(load_settings(tmp_path, port=2))["port"]
    assert (port.value, port.source) == (2, SettingSource.FLAG)


@pytest.mark.parametrize("key", ["model", "model.name"])
def test_the_models_name_may_come_from_the_command_line_and_the_rest_of_its_section_from_the_file(
    tmp_path: Path, key: str
) -> None:
    (tmp_path / "prefloop.toml").write_text('[model]\nname = "a/b"\nstop = ["END"]')
    found = in_force(load_settings(tmp_path, model="c/d"))
    assert found[key] == EffectiveSetting(key, "c/d", "built-in", SettingSource.FLAG)
    assert found["model.stop"] == EffectiveSetting("model.stop", ["END"], [], SettingSource.FILE)


def test_the_short_form_is_the_models_name_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text('model = "a/b"')
    found = in_force(load_settings(tmp_path))
    assert found["model.name"] == EffectiveSetting("model.name", "a/b", "built-in", SettingSource.FILE)
    assert found["model.stop"].source is SettingSource.DEFAULT


def test_of_the_model_a_flag_is_told_by_its_own_key(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text('[model]\nname = "a/b"\n')
    found = in_force(load_settings(tmp_path, dtype="bfloat16"))
    assert (found["model.name"].source, found["model.dtype"].source) == (SettingSource.FILE, SettingSource.FLAG)
