import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from data.errors import InputError
from data.formats.argilla import FORMAT
from data.formats.preference_file import read_preferences
from data.formats.registry import detect
from data.records import Choice, Message
from data.records.judged_pair import JudgedPair, Provenance

SKY: Message = {"role": "user", "content": "What color is the sky?"}
FIELDS = {"instruction": "What color is the sky?", "response1": "Green.", "response2": "Blue."}
USERS = [str(UUID(int=number)) for number in (1, 2, 3)]
# As to_datasets of Argilla 2.8 gives it: a label and a ranking, a suggestion, metadata model_a, model_b and score_a and
# a vector v_1. The columns of the second, UNANSWERED, are null where it has nothing.
FLAT: dict[str, Any] = {
    "id": "1",
    "status": "pending",
    "_server_id": str(UUID(int=9)),
    "chat": [SKY],
    "response_a": "Green.",
    "response_b": "Blue.",
    "model_a": "v1",
    "model_b": "v2",
    "score_a": 1.0,
    "v_1": [0.1, 0.2],
    "preference.responses": ["response_b", "response_a", "tie"],
    "preference.responses.users": USERS,
    "preference.responses.status": ["submitted", "draft", "discarded"],
    "ranked.responses": [["response_b", "response_a"]],
    "ranked.responses.users": USERS[:1],
    "ranked.responses.status": ["submitted"],
    "preference.suggestion": "response_b",
    "preference.suggestion.score": 0.9,
    "preference.suggestion.agent": "m",
}
HAS = ("id", "status", "_server_id", "chat", "response_a", "response_b", "v_1")
UNANSWERED = {key: value if key in HAS else None for key, value in FLAT.items()}


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
        (record(), "no question is answered with which answer is better"),
        (record(quality=[3]), "no question"),
        (record(q=["response3"]), "no question"),
        (record(q=[["response1"]]), "no question"),
        (record(q=[[1, 2]]), "no question"),
        (
            {**record(), "fields": {"response1": "x", "response2": "y"}},
            "no field is the prompt; it is called one of chat",
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


def test_a_flat_record_is_known_and_read_as_a_nested_one() -> None:
    assert detect([(1, FLAT)]) is FORMAT
    assert read(FLAT) == [JudgedPair((SKY,), "Green.", "Blue.", Choice.B, None, Provenance(annotator=USERS[0]))]


def test_a_flat_record_of_which_all_responses_are_submitted_is_a_pair_for_each() -> None:
    pairs = read({**FLAT, "preference.responses.status": ["submitted"] * 3})
    assert [pair.choice for pair in pairs] == [Choice.B, Choice.A, Choice.TIE]
    assert [pair.provenance for pair in pairs] == [{"annotator": user} for user in USERS]


def test_rankings_of_a_flat_record_are_read() -> None:
    assert [pair.choice for pair in read({**FLAT, "preference.responses": None, **no_one("preference")})] == [Choice.B]


def no_one(question: str) -> dict[str, None]:
    return {f"{question}.responses.users": None, f"{question}.responses.status": None}


def test_all_responses_count_where_a_flat_record_says_no_statuses() -> None:
    pairs = read({**FLAT, **no_one("preference")})
    assert [(pair.choice, pair.provenance) for pair in pairs] == [(Choice.B, {}), (Choice.A, {}), (Choice.TIE, {})]


@pytest.mark.parametrize("ends", ["users", "status"])
def test_a_flat_record_that_does_not_say_which_status_is_whose_is_refused(ends: str) -> None:
    with pytest.raises(InputError, match="'preference' has not as many responses as users or statuses"):
        FORMAT.read({**FLAT, f"preference.responses.{ends}": ["submitted"]})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (UNANSWERED, "no question is answered with"),
        ({**FLAT, "chat": None}, "no field is the prompt"),
        ({**FLAT, "response_b": None}, "not just two answers"),
        ({**FLAT, "completion_a": "Gray.", "completion_b": "Red."}, "not just two answers"),
    ],
)
def test_a_flat_record_without_a_pair_says_why(row: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        FORMAT.read(row)


def test_answers_that_were_rated_in_argilla_are_left_to_the_formats_of_these() -> None:
    rated = {"chosen": "Blue.", "rejected": "Green.", "prompt": "What color is the sky?", "quality.responses": [3]}
    assert detect([(1, rated)]).name == "trl"


def as_lines(rows: list[dict[str, Any]], place: Path) -> Path:
    path = place / "records.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def as_parquet(rows: list[dict[str, Any]], place: Path) -> Path:
    path = place / "records.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def as_directory(rows: list[dict[str, Any]], place: Path) -> Path:
    path = place / "records"
    Dataset.from_list(rows).save_to_disk(path)
    return path


@pytest.mark.parametrize("written", [as_lines, as_parquet, as_directory])
def test_flat_records_are_read_from_any_container(
    written: Callable[[list[dict[str, Any]], Path], Path], tmp_path: Path
) -> None:
    file = read_preferences(written([UNANSWERED, FLAT], tmp_path))
    assert file.format == "argilla"
    assert [(pair.prompt, pair.chosen, pair.rejected) for pair in file.pairs] == [((SKY,), "Blue.", "Green.")]
    assert [skipped.number for skipped in file.skipped] == [1]


def test_of_several_twos_those_called_like_answers_are_the_answers() -> None:
    row = record(q=["tie"])
    row["fields"] = {**FIELDS, "source1": "x", "source2": "y"}
    assert read(row) == [JudgedPair((SKY,), "Green.", "Blue.", Choice.TIE)]


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
