from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from tests.trainer.templates import tokenizer_for
from trainer.prompting.stop_strings import StopStrings

TOKENIZER = tokenizer_for("<|x|>")
PIECES = ["a", "EN", "END", "ND", "D", "E", "ö", "🙂", "\n\n", "User", ":", " ", "\nUser:", "Uö"]


def pieces(*texts: str) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """A tokenizer that has each text as one token, and their ids."""
    made = tokenizer_for("<|x|>")
    made.add_tokens([text for text in texts if len(text) > 1])
    return made, [token for text in texts for token in made(text, add_special_tokens=False)["input_ids"]]


def until_stopped(stops: StopStrings, ids: list[int]) -> list[int]:
    """What a sampler takes of a stream of tokens."""
    return next((ids[:count] for count in range(1, len(ids) + 1) if stops.met(ids[:count])), ids)


STOPS = ("END", "\n\nUser:", "ö🙂")


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_an_answer_ends_before_the_first_stop_string_however_it_is_cut_into_tokens(said: list[str]) -> None:
    tokenizer, ids = pieces(*said)
    stops, text = StopStrings(tokenizer, STOPS), tokenizer.decode(ids)
    first = min((text.index(stop) for stop in STOPS if stop in text), default=len(text))
    taken = until_stopped(stops, ids)
    assert stops.text(taken) == text[:first]
    assert any(stop in text for stop in STOPS) == (any(stop in tokenizer.decode(taken) for stop in STOPS))
    assert not any(stop in tokenizer.decode(taken[:-1]) for stop in STOPS)


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_a_stream_never_shows_what_it_would_take_back(said: list[str]) -> None:
    tokenizer, ids = pieces(*said)
    stops = StopStrings(tokenizer, STOPS)
    taken = until_stopped(stops, ids)
    shown = [stops.text(taken[:count], whole=False) for count in range(len(taken) + 1)]
    assert all(stops.text(taken).startswith(text) for text in shown)
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))


def test_a_stream_shows_all_that_is_certain() -> None:
    tokenizer, ids = pieces("so", "E", "a", "EN")
    shown = [StopStrings(tokenizer, ["END"]).text(ids[:count], whole=False) for count in range(len(ids) + 1)]
    assert shown == ["", "so", "so", "soEa", "soEa"]


def test_a_long_answer_is_looked_at_from_its_end_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    longest: list[int] = []
    original = TOKENIZER.decode

    def decode(ids: list[int], **kind: Any) -> object:
        longest.append(len(ids))
        return original(ids, **kind)

    monkeypatch.setattr(TOKENIZER, "decode", decode)
    StopStrings(TOKENIZER, ["END"]).met(TOKENIZER("x" * 5000)["input_ids"])
    assert max(longest) < 20


def test_a_control_token_may_be_part_of_a_stop_string() -> None:
    ids = TOKENIZER("Yes.\nDone<|x|>", add_special_tokens=False)["input_ids"]
    stops = StopStrings(TOKENIZER, ["\nDone<|x|>"])
    assert stops.met(ids) and not stops.met(ids[:-1])
    assert stops.text(ids) == "Yes."


def test_what_follows_a_stop_string_within_its_last_token_is_left_out() -> None:
    tokenizer, ids = pieces("Yes.", "\n\nUser: Why?")
    stops = StopStrings(tokenizer, ["\n\nUser:"])
    assert stops.met(ids)
    assert stops.text(ids) == "Yes."


def test_without_stop_strings_nothing_ends_and_nothing_is_held_back() -> None:
    ids = TOKENIZER("END", add_special_tokens=False)["input_ids"]
    stops = StopStrings(TOKENIZER, [])
    assert not stops.met(ids)
    assert stops.text(ids, whole=False) == stops.before("END") == "END"
