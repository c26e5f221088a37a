"""Messages that ask for a setting say where it stands."""

from pathlib import Path

import pytest

from app.settings_file import TOP, SettingsFile
from data.errors import AdapterError, PromptError

FILE = SettingsFile(Path("/home/x/prefloop.toml"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("It is late.", "It is late."),
        (
            "lower learning_rate in [training]",
            "lower learning_rate in [training] of /home/x/prefloop.toml and restart the server",
        ),
        (
            f"set max_rank = 32 or more {TOP}, or choose another",
            "set max_rank = 32 or more at the top of /home/x/prefloop.toml and restart the server, or choose another",
        ),
        (
            f'set serve_during_training = "offload" {TOP}, lower rank in [training], or wait',
            'set serve_during_training = "offload" at the top of /home/x/prefloop.toml, '
            "lower rank in [training] of /home/x/prefloop.toml and restart the server, or wait",
        ),
    ],
)
def test_a_setting_is_named_with_its_file_and_the_restart_once(words: str, expected: str) -> None:
    assert FILE.located(words) == expected
    assert FILE.located(expected) == expected


def test_a_file_that_is_read_anew_each_time_needs_no_restart() -> None:
    file = SettingsFile(Path("my.toml"), restart=False)
    assert file.located("lower rank in [training], or wait") == "lower rank in [training] of my.toml, or wait"


def test_an_error_stays_what_it_is_and_says_where() -> None:
    words = r"lower it in \[sampling\] of /home/x/prefloop.toml and"
    with pytest.raises(PromptError, match=words) as raised, FILE.locating():
        raise PromptError("lower it in [sampling]: {n}", reason="odd", n=3)
    assert (raised.value.reason, str(raised.value)[-3:], raised.value.values) == ("odd", ": 3", {})


def test_an_error_that_asks_for_nothing_keeps_its_template() -> None:
    with pytest.raises(AdapterError) as raised, FILE.locating():
        raise AdapterError("{n} are too many", n=3)
    assert (raised.value.template, raised.value.values) == ("{n} are too many", {"n": 3})
