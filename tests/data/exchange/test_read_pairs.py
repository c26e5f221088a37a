import pyarrow as pa

from data.containers.container import Unreadable
from data.errors import InputError
from data.exchange.read_pairs import PairReader, judged_rows
from data.formats.format import Example, Format
from data.formats.registry import by_name
from data.formats.row import FileRow
from data.records import Choice, Message
from data.records.examples import RatedExample
from data.records.judged_pair import JudgedPair

SKY: tuple[Message, ...] = ({"role": "user", "content": "sky?"},)
SEA: tuple[Message, ...] = ({"role": "user", "content": "sea?"},)


def read(row: FileRow) -> list[Example]:
    """A row here holds what it says."""
    if "wrong" in row:
        raise InputError("it is wrong")
    example = row["example"]
    assert isinstance(example, JudgedPair | RatedExample)
    return [example]


FORMAT = Format("plain", ("example",), read, lambda pair: [], pa.schema([]))


def rows(*said: object) -> list[PairReader]:
    numbered = ((number, {"example": one} if isinstance(one, Example) else one) for number, one in enumerate(said, 1))
    return list(judged_rows(FORMAT, numbered))


def rated(text: str, good: bool, prompt: tuple[Message, ...] = SKY) -> RatedExample:
    return RatedExample(prompt, text, good)


def test_pairs_come_as_they_are() -> None:
    pair = JudgedPair(SKY, "blue", "green")
    assert rows(pair) == [PairReader(1, (pair,))]


def test_bad_rows_come_with_their_reason() -> None:
    found = rows(Unreadable("torn"), {"wrong": 1}, "no object")
    assert [(row.number, row.pairs) for row in found] == [(1, ()), (2, ()), (3, ())]
    assert [row.reason for row in found[:2]] == ["torn", "it is wrong"]


def test_two_ratings_of_one_prompt_are_a_pair() -> None:
    [found] = rows(rated("green", False), rated("blue", True))
    assert (found.number, found.rows) == (2, 2)
    assert (found.pairs[0].chosen, found.pairs[0].rejected) == ("blue", "green")


def test_two_bad_ones_are_both_bad() -> None:
    [found] = rows(rated("green", False), rated("red", False))
    assert found.pairs[0].choice is Choice.BOTH_BAD


def test_a_rating_alone_is_left_out_and_said() -> None:
    alone = rows(rated("blue", True), rated("wet", True, SEA), rated("dry", False, SEA), rated("grey", True))
    assert [(row.number, row.rows, bool(row.pairs)) for row in alone] == [(1, 1, False), (3, 2, True), (4, 1, False)]
    assert "prefloop train" in (alone[0].reason or "")


def test_two_good_ones_are_no_pair() -> None:
    assert [row.pairs for row in rows(rated("blue", True), rated("azure", True))] == [(), ()]


def test_a_bad_row_between_two_ratings_parts_them() -> None:
    found = rows(rated("blue", True), {"wrong": 1}, rated("green", False))
    assert [row.number for row in found] == [1, 2, 3]
    assert not any(row.pairs for row in found)


def test_a_row_of_any_format_says_where_it_is_from() -> None:
    origin = {"source": "the sea", "license": "cc0"}
    row = {"prompt": "q", "chosen": "a", "rejected": "b", **origin}
    [found] = judged_rows(by_name("trl"), [(1, row)])
    assert [pair.provenance for pair in found.pairs] == [origin]


def test_what_is_no_name_says_nothing_of_where_it_is_from() -> None:
    row = {"prompt": "q", "chosen": "a", "rejected": "b", "source": "x" * 201, "license": ["mit"]}
    [found] = judged_rows(by_name("trl"), [(1, row)])
    assert [pair.provenance for pair in found.pairs] == [{}]


def test_two_ratings_are_from_where_one_of_them_says() -> None:
    rows = [
        {"prompt": "q", "completion": "a", "label": True, "source": "here"},
        {"prompt": "q", "completion": "b", "label": False, "source": "there", "license": "mit"},
    ]
    [found] = judged_rows(by_name("trl-unpaired"), enumerate(rows, 1))
    assert [pair.provenance for pair in found.pairs] == [{"source": "here", "license": "mit"}]


def test_what_our_own_format_says_stays() -> None:
    row = {"format": "prefloop/1", "prompt": list(SKY), "a": {"text": "x"}, "b": {"text": "y"}, "choice": "a"}
    said = {"source": " here ", "license": "mit", "annotator": "quiet-heron"}
    [found] = judged_rows(by_name("prefloop"), [(1, row | said)])
    assert [pair.provenance for pair in found.pairs] == [said]
