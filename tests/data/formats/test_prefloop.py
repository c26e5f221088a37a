from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.formats.prefloop import FORMAT
from data.records import Choice, Message, Sampling
from data.records.judged_pair import JudgedPair, Provenance, Sampled

SAMPLED = Sampled(
    version="v3",
    finish_reason="stop",
    sampling={"temperature": 0.9, "top_p": 1, "top_k": 0, "max_new_tokens": 128, "repetition_penalty": 1.1},
    seed=-5,
    token_ids=[1, 2, 3],
    logprobs=[-0.25, 0.0, -1.5],
)
WHOLE = Provenance(
    judgment="ab" * 32,
    pair=7,
    annotator="quiet-heron",
    annotators=["quiet-heron", "tall-oak"],
    votes=2,
    agreement=0.75,
    created_at="2026-05-04T03:02:01.123+00:00",
    elapsed_ms=4321,
    shown_first="b",
    reasons={"a": ["helpful"], "b": []},
    comment="你好 🙂",
    flag="spam",
    guideline="1.2",
    purpose="train",
    strategy="active",
    propensity=0.125,
    split="heldout",
    rounds=[1, 4],
    source="a file",
    license="CC-BY-4.0",
    language="en",
    a=SAMPLED,
    b=Sampled(version="base"),
)
SKY: tuple[Message, ...] = ({"role": "user", "content": "What color is the sky?"},)
ROW: dict[str, Any] = {
    "format": "prefloop/1",
    "prompt": list(SKY),
    "a": {"text": "Blue."},
    "b": {"text": "Green."},
    "choice": "a",
    "strength": None,
}

VALUES: dict[object, st.SearchStrategy[object]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    list[str]: st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=3),
    list[int]: st.lists(st.integers(0, 2**40), max_size=3),
    list[float]: st.lists(st.floats(-9, 0), max_size=3),
    dict[str, list[str]]: st.fixed_dictionaries({"a": st.lists(st.just("x")), "b": st.just([])}),
    dict[str, float | int]: st.fixed_dictionaries({}, optional={"top_k": st.integers(0, 9), "top_p": st.floats(0, 1)}),
}


def known(keys: type) -> dict[str, st.SearchStrategy[object]]:
    return {key: VALUES[type_] for key, type_ in keys.__annotations__.items() if type_ is not Sampled}


SIDES = st.fixed_dictionaries({}, optional=known(Sampled)).filter(bool)
PROVENANCE = st.fixed_dictionaries({}, optional={**known(Provenance), "a": SIDES, "b": SIDES})


def judged(row: dict[str, Any]) -> JudgedPair:
    [pair] = FORMAT.read(row)
    assert isinstance(pair, JudgedPair)
    return pair


def test_all_that_is_known_of_a_judgment_comes_back() -> None:
    pair = JudgedPair(SKY, "Blue.", "Green.", Choice.B, 2.5, WHOLE)
    [row] = FORMAT.rows(pair)
    assert set(WHOLE) == set(Provenance.__annotations__)
    assert judged(dict(row)) == pair
    assert judged(dict(row)).provenance == WHOLE
    assert list(row) == FORMAT.columns.names


@settings(max_examples=100, deadline=None)
@given(provenance=PROVENANCE)
def test_whatever_is_known_comes_back(provenance: Provenance) -> None:
    [row] = FORMAT.rows(JudgedPair(SKY, "Blue.", "Green.", provenance=provenance))
    assert judged(dict(row)).provenance == provenance


def test_a_table_that_fills_gaps_changes_nothing() -> None:
    side = dict.fromkeys(Sampled.__annotations__)
    row = {**dict.fromkeys(Provenance.__annotations__), **ROW, "a": {**side, "text": "Blue."}, "b": {"text": "Green."}}
    assert judged(row) == JudgedPair(SKY, "Blue.", "Green.")
    assert judged(row).provenance == {}


def test_the_columns_know_every_number_of_a_sampling() -> None:
    assert {field.name for field in FORMAT.columns.field("a").type.field("sampling").type} == set(
        Sampling.__dataclass_fields__
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "prefloop/2"}, "'prefloop/2', not prefloop/1; update prefloop"),
        ({"format": None}, "format is null"),
        ({"choice": "skip"}, "choice is 'skip', none of a, b, tie, both_bad"),
        ({"choice": "retracted"}, "choice is 'retracted'"),
        ({"a": "Blue."}, "a is a text, not an object"),
        ({"a": {}}, "text is missing"),
        ({"b": {"text": "Blue."}}, "the same"),
        ({"strength": 7}, "strength 7.0 is not in 1-3"),
        ({"strength": "much"}, "strength: .*number"),
        ({"strength": float("nan")}, "strength is nan, which is no number"),
        ({"elapsed_ms": 2**63}, "elapsed_ms is a whole number of more than 64 bits"),
        ({"a": {"text": "Blue.", "logprobs": [float("-inf")]}}, r"a\.logprobs is -inf"),
        ({"annotator": "\ud800"}, "annotator has half a surrogate pair"),
        ({"reasons": {"a": ["\ud800"]}}, r"reasons\.a has half a surrogate pair"),
        ({"prompt": []}, "prompt: a conversation without a turn"),
        ({"prompt": "Hi"}, "prompt is a text, not a list of turns"),
        ({"votes": "two"}, "votes: .*integer"),
        ({"rounds": [1, "x"]}, r"rounds\.1: .*integer"),
        ({"annotator": 3}, "annotator: .*string"),
        ({"a": {"text": "Blue.", "token_ids": "x"}}, r"a\.token_ids: .*list"),
    ],
)
def test_a_bad_row_says_why(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        FORMAT.read({**ROW, **change})


def test_a_newer_version_is_still_known_as_ours() -> None:
    assert FORMAT.matches({**ROW, "format": "prefloop/2"})
    assert not FORMAT.matches({**ROW, "format": "other/1"})
