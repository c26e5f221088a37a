from pathlib import Path

import pytest

from app.settings.settings import load_settings
from data.errors import InputError
from trainer.interface.model_settings import Dtype, ModelOptions, ModelSettings, Quantize


def test_a_home_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)

    assert (settings.host, settings.port, settings.model.name) == ("127.0.0.1", 7860, "built-in")


def test_flags_win_over_the_file_and_absent_flags_do_not(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text("port = 1111\nbuffer = 3\n[sampling]\ntemperature = 0.5\n")

    settings = load_settings(tmp_path, port=2222, model=None)

    assert (settings.port, settings.buffer, settings.sampling.temperature) == (2222, 3, 0.5)


@pytest.mark.parametrize("text", ['model = "owner/name"', '[model]\nname = "owner/name"'])
def test_a_model_is_named_in_short_or_in_its_section(tmp_path: Path, text: str) -> None:
    (tmp_path / "prefloop.toml").write_text(text)

    assert load_settings(tmp_path).model == ModelSettings(name="owner/name")


SECTION = """
[model]
name = "owner/name"
system = "Be brief."
stop = ["END", "\\nUser:"]
template_arguments = {enable_thinking = false}
"""
OPTIONS = ModelOptions(system="Be brief.", stop=("END", "\nUser:"), template_arguments={"enable_thinking": False})


@pytest.mark.parametrize(("flag", "name"), [(None, "owner/name"), ("./here", "./here")])
def test_the_command_line_names_the_model_and_leaves_its_section(tmp_path: Path, flag: str | None, name: str) -> None:
    (tmp_path / "prefloop.toml").write_text(SECTION)

    model = load_settings(tmp_path, model=flag).model

    assert (model.name, model.options) == (name, OPTIONS)


def test_the_command_line_names_the_model_over_the_short_form(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text('model = "owner/name"')

    assert load_settings(tmp_path, model="./here").model == ModelSettings(name="./here")


def test_what_training_says_is_kept_as_given(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text('[training]\nalgorithm = "kto"\nbeta = 0.2\n')

    assert load_settings(tmp_path).training == {"algorithm": "kto", "beta": 0.2}
    assert load_settings(tmp_path / "nowhere").training == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("prot = 1", "unknown key prot; known keys are model"),
        ("[model]\nnam = 1", "unknown key model.nam; known keys are template, system, stop, "),
        ("[model]\nstop = ['']", "model.stop.0: "),
        ("model = 1", "model: Input should be"),
        ("[training]\nbta = 0.1", ": unknown key training.bta; known keys of dpo are"),
        ('[training]\nalgorithm = "sgd"', "training.algorithm: there is no 'sgd'"),
        ("training = 1", "training: Input should be a valid dictionary"),
        ("max_rank = 0", "max_rank: Input should be greater than 0"),
        ("[queue]\noverlap = 2", "queue.overlap: Input should be less than or equal to 1"),
        ("[queue]\ngold = 0.6\nreask = 0.5", "together are more than 1"),
        ('[queue]\nstrategy = "clever"', "queue.strategy"),
        ("[sampling]\ntop = 1", "sampling.top: "),
        ("port = 99999", "port: Input should be less than or equal to 65535"),
        ("buffer = 0", "buffer: Input should be greater than 0"),
        ("port = ", "cannot be read"),
        ("[[webhooks]]\nurl = 'http://[::1'\nsecret = ''", "webhooks.0.url: "),
        ("[[webhooks]]\nurl = 'http://host:99999/'\nsecret = ''", "webhooks.0.url: "),
    ],
)
def test_a_bad_file_is_refused_naming_file_and_key(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "prefloop.toml").write_text(text)

    with pytest.raises(InputError) as refusal:
        load_settings(tmp_path)

    assert named in str(refusal.value)
    assert str(tmp_path / "prefloop.toml") in str(refusal.value)


def test_flags_of_the_model_come_before_the_section(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text('[model]\nname = "a/b"\ndtype = "float32"\nsystem = "Be kind."\n')
    model = load_settings(tmp_path, model=None, dtype=Dtype.BFLOAT16, quantize=Quantize.FOUR_BIT).model
    expected = ModelSettings(name="a/b", dtype=Dtype.BFLOAT16, quantize=Quantize.FOUR_BIT, system="Be kind.")
    assert model == expected
    assert model.options.quantize is Quantize.FOUR_BIT


def test_a_flag_of_the_model_keeps_a_name_in_short(tmp_path: Path) -> None:
    (tmp_path / "prefloop.toml").write_text('model = "a/b"\n')
    settings = load_settings(tmp_path, trust_remote_code=True)
    assert settings.model == ModelSettings(name="a/b", trust_remote_code=True)
    assert settings.flags == {"model.trust_remote_code"}
