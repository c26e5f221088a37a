"""The examples and tables of docs/formats.md, read and written by the formats they stand for."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.formats.registry import FORMATS, by_name, detect
from data.records.examples import RatedExample
from data.records.judged_pair import JudgedPair, Provenance, Sampled
from tests.data.formats.test_round_trip import KNOWN_AS

DOCS = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, dict[str, Any]] = {
    name: json.loads(row) for name, row in re.findall(r"^`([\w-]+)`:\n\n```json\n(.*?)\n```$", DOCS, re.MULTILINE)
}
NAMES = ("question_id", "id")  # made from the content, where a judgment has no name
CHOICES = {"a": "a", "b": "b", "tie": "tie", "both bad": "both_bad"}


def test_every_format_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(format_.name for format_ in FORMATS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_known_as_its_format(name: str) -> None:
    assert detect([(1, EXAMPLES[name])]).name == KNOWN_AS.get(name, name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_read_from_an_example_is_written_as_the_example(name: str) -> None:
    format_, row = by_name(name), EXAMPLES[name]
    [said] = format_.read(row)
    if isinstance(said, RatedExample):
        assert said.desirable
        said = JudgedPair(said.prompt, said.completion, "another answer")
    written = format_.rows(said)[0]
    if name == "argilla":
        assert written["fields"] == row["fields"]
        assert said.choice == "a"
    else:
        assert without_names(written) == without_names(row)


def without_names(row: Any) -> dict[str, object]:
    return {key: value for key, value in row.items() if key not in NAMES}


JSON = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.just(10**400), st.text(max_size=4)),
        st.sampled_from(["\ud800", "[", '["a"]', "a", "tie", "model_a", "response_a", "user", "assistant"]),
    ),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.sampled_from(list("abct")), part)),
    max_leaves=4,
)


def places(value: object, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, *path, key)


@pytest.mark.parametrize("name", EXAMPLES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_a_row_is_read_or_refused_with_words(name: str, data: st.DataObject) -> None:
    row: Any = deepcopy(EXAMPLES[name])
    *way, last = data.draw(st.sampled_from(list(places(row))))
    part = row
    for key in way:
        part = part[key]
    part[last] = data.draw(JSON)
    if isinstance(part, dict) and data.draw(st.booleans()):
        part[data.draw(st.sampled_from(["\ud800", "\ud800a", "\ud800b"]))] = part.pop(last)
    format_ = by_name(name)
    format_.matches(row)
    try:
        said = format_.read(row)
    except InputError as error:
        assert str(error).encode("utf-8")
        return
    assert said
    json.dumps([asdict(example) for example in said], ensure_ascii=False, allow_nan=False).encode()


def test_the_table_says_what_a_format_can_say() -> None:
    for format_ in FORMATS:
        [line] = [line for line in DOCS.splitlines() if line.startswith(f"| `{format_.name}` |")]
        said = line.split(" | ")[3].partition(";")[0]
        assert {CHOICES[word] for word in said.split(", ")} == format_.choices


def test_all_keys_of_our_own_format_are_listed() -> None:
    section = DOCS.partition("\n### prefloop\n")[2].partition("\n### ")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert listed == [key for key in Provenance.__annotations__ if key not in ("a", "b")]
    assert [key for key in Sampled.__annotations__ if f"`{key}`" not in section] == []
