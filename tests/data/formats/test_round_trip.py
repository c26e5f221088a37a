"""What any format is held to: a pair comes back as it was, or is refused with words."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.containers import arrow_rows
from data.containers import registry as containers
from data.containers.container import FileLimits
from data.errors import InputError
from data.formats.format import DECISIVE, Format, ratings
from data.formats.preference_file import read_preferences
from data.formats.registry import FORMATS, by_name, detect
from data.records import Choice, Message
from data.records.examples import RatedExample
from data.records.judged_pair import JudgedPair

# The rows of these are those of others, by which they are known.
KNOWN_AS = {"trl-text": "trl", "trl-unpaired-text": "trl-unpaired", "openrlhf": "trl-implicit"}
# A letter-wise common beginning is all that these say of where the prompt ends.
GUESSES = {"trl-implicit-text"}
TEXT_ONLY = {"trl-text", "trl-unpaired-text", "trl-implicit-text"}
WITH_STRENGTH = {"prefloop", "trl-reward"}
WITHOUT_SYSTEM = {"hh-rlhf", "arena-55k"}

SKY: Message = {"role": "user", "content": "What color is the sky?"}
SIMPLE = JudgedPair((SKY,), " It is blue.", "Green, I think.")
ROUNDS: tuple[Message, ...] = (
    SKY,
    {"role": "assistant", "content": "Blue."},
    {"role": "user", "content": "And grass?"},
)
SYSTEM: Message = {"role": "system", "content": "Be brief."}

each_format = pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)

# Markers of every format and others', blanks, quotes, half of an emoji's two parts joined, and letters beyond the BMP.
PIECES = st.sampled_from(
    [
        *(
            "\n\nHuman:",
            "\n\nAssistant:",
            "\n\nHuman: ",
            "\n\nAssistant: ",
            "<|im_end|>",
            "</s>",
            "[INST]",
            "tie",
            "[",
            "{",
        ),
        *(
            " ",
            "\n",
            "\t",
            "\u2028",
            "\x00",
            '"',
            "\\",
            "'",
            "=1+1",
            "a",
            "b",
            "ä",
            "你好",
            "🙂",
            "👩‍👩‍👧",
            "\ufeff",
            "é",
        ),
    ]
)
TEXT = st.one_of(st.lists(PIECES, min_size=1, max_size=6).map("".join), st.text(min_size=1, max_size=20))
ANSWER = TEXT.filter(str.strip)


def turn(role: Any) -> st.SearchStrategy[Message]:
    return TEXT.map(lambda text: Message(role=role, content=text))


@st.composite
def pairs(draw: st.DrawFn) -> JudgedPair:
    roles = draw(
        st.one_of(
            st.sampled_from([[], ["system"], ["user", "assistant"], ["system", "user", "assistant"]]),
            st.lists(st.sampled_from(["system", "user", "assistant"]), max_size=3),
        )
    )
    prompt = tuple(draw(turn(role)) for role in [*roles, "user"])
    a, b = draw(st.lists(ANSWER, min_size=2, max_size=2, unique=True))
    choice = draw(st.sampled_from([Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD]))
    strength = draw(st.sampled_from([None, 1.0, 2.5, 3.0])) if choice in DECISIVE else None
    return JudgedPair(prompt, a, b, choice, strength)


def read(format_: Format, rows: object) -> list[object]:
    assert isinstance(rows, list)
    return [example for row in rows for example in format_.read(row)]


def meaning(format_: Format, pair: JudgedPair) -> object:
    strength = pair.strength if format_.name in WITH_STRENGTH else None
    return pair.prompt, pair.chosen, pair.rejected, pair.choice in DECISIVE or pair.choice, strength


def said_alike(format_: Format, pair: JudgedPair, said: list[object]) -> bool:
    if isinstance(said[0], RatedExample):
        return said == list(ratings(pair))
    [one] = said
    return isinstance(one, JudgedPair) and meaning(format_, one) == meaning(format_, pair)


@each_format
@settings(max_examples=40, deadline=None)
@given(pair=pairs())
@example(pair=JudgedPair((SKY,), "x" * 100_000, "y" + "x" * 100_000, Choice.B))
@example(pair=JudgedPair((SKY,), "blue\n\nHuman: and you?\n\nAssistant: me too", "green"))
@example(pair=JudgedPair(({"role": "user", "content": "\ud800"},), "a", "b"))
@example(pair=JudgedPair((SKY,), "\ud800", "b"))
def test_a_pair_comes_back_as_it_was_or_is_refused(format_: Format, pair: JudgedPair) -> None:
    try:
        rows = format_.rows(pair)
    except InputError as error:
        assert str(error).startswith(format_.name)
        return
    through_json = [json.loads(json.dumps(row, ensure_ascii=False)) for row in rows]
    assert said_alike(format_, pair, read(format_, through_json))


def simple_pairs(format_: Format) -> list[JudgedPair]:
    """What nobody would expect a format to refuse."""
    found = [SIMPLE, JudgedPair((SKY,), "x" * 100_000, "y" * 100_000), JudgedPair((SKY,), "你好 🙂\n\n", "  no\n")]
    if format_.name not in TEXT_ONLY:
        found.append(JudgedPair(ROUNDS, "Green.", "Blue."))
    if format_.name not in TEXT_ONLY | WITHOUT_SYSTEM:
        found += [JudgedPair((SYSTEM, SKY), "Blue.", "Blue, green."), JudgedPair((SYSTEM, *ROUNDS), "Green.", "Gray.")]
    if format_.name not in GUESSES:
        found += [JudgedPair((SKY,), "It is blue.", "It is green."), JudgedPair((SKY,), "Yes", "Yes, sure")]
    strong = [JudgedPair(pair.prompt, pair.a, pair.b, Choice.B, 3.0) for pair in found]
    others = [JudgedPair(pair.prompt, pair.a, pair.b, choice) for choice in format_.choices for pair in found]
    return [*found, *strong, *others]


@each_format
def test_a_simple_pair_is_never_refused(format_: Format) -> None:
    for pair in simple_pairs(format_):
        assert said_alike(format_, pair, read(format_, format_.rows(pair)))


@each_format
@settings(max_examples=20, deadline=None)
@given(
    texts=st.lists(
        st.text(st.sampled_from("abc ä你🙂"), min_size=1).filter(str.strip), min_size=2, max_size=2, unique=True
    ),
    prompt=st.lists(st.text(st.sampled_from("abc ä你🙂")).filter(str.strip), min_size=1, max_size=3),
)
def test_plain_texts_are_never_refused(format_: Format, texts: list[str], prompt: list[str]) -> None:
    if format_.name in GUESSES:
        return
    if format_.name in TEXT_ONLY:
        prompt = prompt[:1]
    turns: list[Message] = []
    for text in prompt[:-1]:
        turns += [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    a, b = texts
    pair = JudgedPair((*turns, {"role": "user", "content": prompt[-1]}), a, b)
    assert said_alike(format_, pair, read(format_, format_.rows(pair)))


@each_format
def test_rows_are_known_as_the_formats_own(format_: Format) -> None:
    for pair in simple_pairs(format_):
        rows = format_.rows(pair)
        assert detect(enumerate(rows, 1)).name == KNOWN_AS.get(format_.name, format_.name)
        assert all(format_.matches(row) for row in rows)


@each_format
def test_rows_have_the_columns_in_their_order_and_come_back_through_arrow(format_: Format) -> None:
    for pair in simple_pairs(format_):
        rows = format_.rows(pair)
        for row in rows:
            assert list(row) == [name for name in format_.columns.names if name in row]
        batch = pa.RecordBatch.from_pylist(list(rows), schema=format_.columns)
        filled = list(arrow_rows.values([batch], FileLimits()))
        assert said_alike(format_, pair, read(format_, filled))
        assert detect(enumerate(filled, 1)).name == KNOWN_AS.get(format_.name, format_.name)


@each_format
@pytest.mark.parametrize("suffix", [".jsonl", ".json.gz", ".csv", ".parquet"])
def test_pairs_come_back_from_every_kind_of_file(format_: Format, suffix: str, tmp_path: Path) -> None:
    decided = [pair for pair in simple_pairs(format_) if pair.choice in DECISIVE]
    path = tmp_path / f"pairs{suffix}"
    rows = [row for pair in decided for row in format_.rows(pair)]
    containers.opening(path).write(path, format_.columns, {"train": rows})
    file = read_preferences(path)
    assert file.skipped == []
    if file.rated:
        assert file.rated == [rated for pair in decided for rated in ratings(pair)]
    else:
        found = [(pair.prompt, pair.chosen, pair.rejected, pair.strength) for pair in file.pairs]
        strengths = [pair.strength or 1.0 if format_.name in WITH_STRENGTH else 1.0 for pair in decided]
        assert found == [
            (pair.prompt, pair.chosen, pair.rejected, strength)
            for pair, strength in zip(decided, strengths, strict=True)
        ]


@each_format
def test_a_choice_that_cannot_be_said_is_refused(format_: Format) -> None:
    for choice in {Choice.TIE, Choice.BOTH_BAD} - format_.choices:
        with pytest.raises(InputError, match=f"{format_.name} cannot say {choice}"):
            format_.rows(JudgedPair((SKY,), "a", "b", choice))


@pytest.mark.parametrize(
    ("name", "pair", "words"),
    [
        ("hh-rlhf", JudgedPair((SYSTEM, SKY), "a", "b"), "hh-rlhf cannot hold this pair: a transcript has no system"),
        ("hh-rlhf", JudgedPair((SKY,), "a\n\nHuman: b", "c"), "chosen has more turns"),
        ("hh-rlhf", JudgedPair(({"role": "user", "content": "a\n\nHuman: b"},), "c", "d"), "does not alternate"),
        ("trl-text", JudgedPair(ROUNDS, "a", "b"), "one user turn; this one has 3 turns"),
        ("trl-unpaired-text", JudgedPair((SYSTEM, SKY), "a", "b"), "one user turn; this one has 2 turns"),
        (
            "trl-implicit-text",
            JudgedPair((SKY,), "It is", "It was"),
            "its prompt would be read as something else; take",
        ),
        ("sharegpt-ranking", JudgedPair((SKY, SKY), "a", "b"), "do not alternate"),
        ("alpaca-kto", JudgedPair((SYSTEM, SYSTEM, SKY), "a", "b"), "do not alternate"),
        ("rated-messages", JudgedPair((SKY, SKY), "a", "b"), "do not alternate"),
        ("arena-55k", JudgedPair((SYSTEM, SKY), "a", "b"), "a battle has no system message"),
        ("arena", JudgedPair((SKY,), "\ud800", "b"), "half a surrogate"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_with_the_reason(name: str, pair: JudgedPair, words: str) -> None:
    with pytest.raises(InputError, match=words):
        by_name(name).rows(pair)


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r"'trll' is not a known format; use one of prefloop, .*openrlhf"):
        by_name("trll")


def test_names_are_unique() -> None:
    assert len({format_.name for format_ in FORMATS}) == len(FORMATS)


def test_no_row_has_no_format() -> None:
    with pytest.raises(InputError, match="no row at all"):
        detect([])
