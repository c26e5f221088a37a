import json

import pytest

from app.cli.output import answer, columns, moment, one_line, percent
from data.records import Annotator, Role

Out = pytest.CaptureFixture[str]

ANN = Annotator(id=1, login="ann", pseudonym="happy-thrush-90", role=Role.ADMIN, created_at=5)


def test_people_read_words(capsys: Out) -> None:
    answer({"a": 1}, "One.", as_json=False)
    answer([1, 2], lambda found: (f"line {number}" for number in found), as_json=False)
    assert capsys.readouterr().out == "One.\nline 1\nline 2\n"


def test_programs_read_all_of_it_and_nothing_else(capsys: Out) -> None:
    answer([ANN], "One.", as_json=True)
    [found] = json.loads(capsys.readouterr().out)
    assert found == {
        "id": 1,
        "login": "ann",
        "pseudonym": "happy-thrush-90",
        "role": "admin",
        "created_at": 5,
        "disabled_at": None,
    }


def test_nothing_found_is_null(capsys: Out) -> None:
    answer(None, "Nothing.", as_json=True)
    assert capsys.readouterr().out == "null\n"


def test_what_somebody_wrote_does_not_steer_the_terminal(capsys: Out) -> None:
    answer({}, "red \x1b[31m\x07 text\nand more", as_json=False)
    assert capsys.readouterr().out == "red [31m text\nand more\n"


def test_columns_are_as_wide_as_they_must_be() -> None:
    rows = [("甲", 1, "x"), ("word", 200, "")]
    assert list(columns(rows, head=("a", "b", "c"))) == ["a     b    c", "甲    1    x", "word  200"]
    assert list(columns(rows)) == ["甲    1    x", "word  200"]
    assert list(columns([], head=("a",))) == []


def test_a_text_becomes_a_line() -> None:
    assert one_line(" a\n b ") == "a b"
    assert one_line("x" * 90) == "x" * 69 + "…"


def test_what_is_not_known_is_a_dash() -> None:
    assert (moment(None), percent(None)) == ("–", "–")
    assert (moment(0), percent(0.714)) == ("1970-01-01 00:00 UTC", "71 %")
