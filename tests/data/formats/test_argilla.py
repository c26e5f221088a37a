from typing import Any
from uuid import UUID

import pytest

from data.errors import InputError
from data.formats.argilla import FORMAT
from data.judged_pair import JudgedPair, Provenance
from data.records import Choice, Message

SKY: Message = {"role": "user", "content": "What color is the sky?"}
FIELDS = {"instruction": "What color is the sky?", "response1": "Green.", "response2": "Blue."}


def record(**responses: list[Any]) -> dict[str, Any]:
    given = {
        question: [{"value": value, "user_id": f"user {number}"} for number, value in enumerate(values)]
        for question, values in responses.items()
    }
    return {"id": "1", "fields": FIELDS, "metadata": {}, "suggestions": {}, "responses": given, "vectors": {}}


def read(row: dict[str, Any]) -> list[JudgedPair]:
    return [pair for pair in FORMAT.read(row) if isinstance(pair, JudgedPair)]


def ranks(first: int, second: int) -> list[dict[str, object]]:
    return [{"value": "response1", "rank": first}, {"value": "response2", "rank": second}]


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        ("response1", Choice.A),
        ("Response 2", Choice.B),
        ("2", Choice.B),
        ("Tie", Choice.TIE),
        ("both_bad", Choice.BOTH_BAD),
        ("Both bad", Choice.BOTH_BAD),
        ("neither", Choice.BOTH_BAD),
        (["response2", "response1"], Choice.B),
        ([{"value": "response2"}, {"value": "response1"}], Choice.B),
        (ranks(2, 1), Choice.B),
        (ranks(1, 2), Choice.A),
        (ranks(1, 1), Choice.TIE),
    ],
)
def test_labels_and_rankings_say_a_choice(value: object, choice: Choice) -> None:
    assert read(record(q=[value])) == [JudgedPair((SKY,), "Green.", "Blue.", choice)]


def test_every_response_is_a_pair_with_its_annotator() -> None:
    pairs = read(record(preference=["response1", "response2", "tie"]))
    assert [pair.choice for pair in pairs] == [Choice.A, Choice.B, Choice.TIE]
    assert [pair.provenance for pair in pairs] == [{"annotator": f"user {number}"} for number in range(3)]


def test_the_first_question_that_says_a_choice_is_taken() -> None:
    row = record(comment=["It is not green."], quality=[3], preference=["response2"])
    assert [pair.choice for pair in read({**row, "responses": {"empty": None, **row["responses"]}})] == [Choice.B]


def test_drafts_and_discarded_responses_do_not_count() -> None:
    row = record(preference=["response1", "response1", "response2"])
    for response, status in zip(row["responses"]["preference"], ["draft", "discarded", "submitted"], strict=True):
        response["status"] = status
    assert [pair.choice for pair in read(row)] == [Choice.B]


@pytest.mark.parametrize(
    "names",
    [("response_a", "response_b"), ("Response-1", "Response-2"), ("generations 0", "generations 1"), ("A", "B")],
)
def test_answers_are_two_fields_that_differ_in_how_they_end(names: tuple[str, str]) -> None:
    row = record(q=["tie"])
    row["fields"] = {names[1]: "Blue.", "chat": [SKY], names[0]: "Green.", "note": None, "topic": "skies"}
    assert read(row) == [JudgedPair((SKY,), "Green.", "Blue.", Choice.TIE)]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (record(), "no question that is answered with which answer is better"),
        (record(quality=[3]), "no question"),
        (record(q=["response3"]), "no question"),
        (record(q=[["response1"]]), "no question"),
        (record(q=[[1, 2]]), "no question"),
        (
            {**record(), "fields": {"response1": "x", "response2": "y"}},
            "fields has no prompt; it is called one of chat",
        ),
        ({**record(), "fields": {"prompt": "x", "response1": "y"}}, "not just two answers, such as response_a"),
        ({**record(), "fields": {**FIELDS, "response3": "Gray."}}, "not just two answers"),
        ({**record(q=["tie"]), "fields": {**FIELDS, "response1": " "}}, "response1 is empty"),
        ({**record(q=["tie"]), "fields": {**FIELDS, "response1": "Blue."}}, "the same"),
    ],
)
def test_a_record_without_a_pair_says_why(row: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        FORMAT.read(row)


def test_annotators_are_written_as_uuids_that_tell_them_apart() -> None:
    pairs = [JudgedPair((SKY,), "a", "b", provenance=Provenance(annotator=name)) for name in ("x", "y", "x")]
    rows: list[Any] = [FORMAT.rows(pair)[0] for pair in pairs]
    first, second, again = (row["responses"]["preference"][0]["user_id"] for row in rows)
    assert first == again != second
    assert str(UUID(first)) == first


def test_a_record_with_too_many_responses_is_refused() -> None:
    assert len(read(record(better=["1"] * 1000))) == 1000
    with pytest.raises(InputError, match="1001 responses, at most 1000 to a record; make several records of it"):
        read(record(better=["1"] * 1001))
