"""Records of Argilla 2, as Dataset.records.to_json exports them: answers in `fields`, choices in `responses`.

Reading. The prompt is the field called chat, prompt, instruction or the like; the answers are two fields whose names
differ only in their ends: response_a and response_b, response1 and response2; if there are several such twos, those
called response, answer or the like. The choice is that of the first question whose responses name one of them, a tie
or both bad, as a label or as a ranking (best first, or lowest rank). Every response is a pair, at most 1000 per record,
except drafts and discarded ones, where the export tells them.

Flat records, as Dataset.records.to_datasets makes and Dataset.to_hub pushes them, are read too: a column per field, and
for each question Q the columns Q.responses, Q.responses.users and Q.responses.status. Metadata are mixed with the
fields there, so the answers must be called response, answer or the like.

Writing. A record is one pair; its dataset has a ChatField chat, TextFields response_a and response_b, and a
LabelQuestion preference with the labels response_a, response_b, tie and both_bad. Argilla identifies users by UUID, so
pseudonyms are turned into UUIDs.

https://docs.argilla.io/latest/how_to_guides/import_export/
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from uuid import NAMESPACE_OID, uuid5

import pyarrow as pa

from data.errors import InputError
from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TEXT, TURNS
from data.formats.format import ALL, Format
from data.formats.row import FileRow
from data.records import Choice
from data.records.judged_pair import JudgedPair, Provenance

MOST_RESPONSES = 1_000
_PROMPTS = ("chat", "prompt", "instruction", "conversation", "messages", "input", "question", "query")
_ANSWERS = ("response", "answer", "completion", "generation", "output")
_ANSWER = re.compile(r"(.*?)[-_ ]?([ab]|\d)", re.IGNORECASE)
_SAID = {
    Choice.A: "response_a",
    Choice.B: "response_b",
    Choice.TIE: "tie",
    Choice.BOTH_BAD: "both_bad",
}
_NEITHER = {
    **dict.fromkeys(("tie", "equal", "same", "draw", "bothgood"), Choice.TIE),
    **dict.fromkeys(("bothbad", "neither", "none"), Choice.BOTH_BAD),
}
_RESPONSES = ".responses"
_RESPONSE = pa.struct([("value", TEXT), ("user_id", TEXT), ("status", TEXT)])

ResponseNames = Mapping[str, Choice]
"""The choice that each response value stands for; values are reduced to letters and digits."""


class _Argilla(Format):
    """A format whose rows may also be flat; these have none of its keys and are recognised otherwise."""

    __slots__ = ()

    def matches(self, row: FileRow) -> bool:
        # Datasets of chosen and rejected answers that were only rated in Argilla are left to other formats.
        return super().matches(row) or (
            _is_flat(row) and any(len(names) > 1 for names in _alike(_fields(row)).values())
        )


def _shape(row: FileRow) -> bool:
    return isinstance(row["fields"], Mapping) and isinstance(row["responses"], Mapping)


def _is_flat(row: FileRow) -> bool:
    return "fields" not in row and any(key.endswith(_RESPONSES) for key in row)


def _nested(row: FileRow) -> FileRow:
    """Return a flat row in the form of to_json, with the statuses."""
    questions = [key.removesuffix(_RESPONSES) for key in row if key.endswith(_RESPONSES)]
    return {"fields": _fields(row), "responses": {question: _responses(row, question) for question in questions}}


def _fields(row: FileRow) -> FileRow:
    """Return the columns of a flat row that may be prompt or answer: texts and turns, no numbers, terms or vectors.

    Of columns whose names differ only in their ends just those called answers: others may be metadata, such as model_a
    and model_b.
    """
    texts = {key: value for key, value in row.items() if isinstance(value, str) or _are_turns(value)}
    alike = ((key, _ANSWER.fullmatch(key)) for key in texts)
    return {key: texts[key] for key, match in alike if match is None or _is_answer(match[1])}


def _is_answer(common: str) -> bool:
    return common.lower().removesuffix("s") in _ANSWERS


def _are_turns(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(turn, Mapping) for turn in value)


def _responses(row: FileRow, question: str) -> list[FileRow]:
    values, users, statuses = (_column(row, f"{question}{_RESPONSES}{of}") for of in ("", ".users", ".status"))
    if any(of_each and len(of_each) != len(values) for of_each in (users, statuses)):
        raise InputError(f"{question!r:.80} has not as many responses as users or statuses")
    said = zip_longest(values, users, statuses)
    return [{"value": value, "user_id": user, "status": status} for value, user, status in said]


def _column(row: FileRow, key: str) -> list[object]:
    value = row.get(key)
    return value if isinstance(value, list) else []


def _read(row: FileRow) -> list[JudgedPair]:
    """Return a pair for each response to a row. Raises InputError with the reason why there is none."""
    if _is_flat(row):
        row = _nested(row)
    fields = cells.entry(row, "fields")
    asked = next((key for key in _PROMPTS if fields.get(key) is not None), None)
    if asked is None:
        raise InputError(f"no field is the prompt; it is called one of {', '.join(_PROMPTS)}")
    names = _answers(fields)
    prompt = cells.prompt(fields, asked)
    a, b = (cells.answer(fields, name) for name in names)
    said = _choices(cells.entry(row, "responses"), _words(names))
    if len(said) > MOST_RESPONSES:
        raise InputError(f"{len(said)} responses, at most {MOST_RESPONSES} to a record; make several records of it")
    return [JudgedPair(prompt, a, b, choice, None, provenance) for choice, provenance in said]


def _answers(fields: FileRow) -> tuple[str, str]:
    """Return the names of the two answers."""
    found = {common: sorted(names) for common, names in _alike(fields).items() if len(names) == 2}
    if len(found) > 1:
        found = {common: names for common, names in found.items() if _is_answer(common)}
    if len(found) != 1:
        raise InputError("the fields have not just two answers, such as response_a and response_b")
    [(one, other)] = found.values()
    return one, other


def _alike(fields: FileRow) -> Mapping[str, list[str]]:
    """Group field names that differ only in their ends, by their common part."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name, value in fields.items():
        if value is not None and (match := _ANSWER.fullmatch(name)):
            alike[match[1]].append(name)
    return alike


def _words(names: tuple[str, str]) -> ResponseNames:
    words = dict(_NEITHER)
    for name, choice in zip(names, (Choice.A, Choice.B), strict=True):
        words[_letters(name)] = words[_letters(name[-1])] = choice
    return words


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text.lower())


def _choices(responses: FileRow, words: ResponseNames) -> list[tuple[Choice, Provenance]]:
    for given in responses.values():
        if not isinstance(given, list):
            continue
        counted = [one for one in given if isinstance(one, Mapping) and _counts(one)]
        choices = [_choice(one.get("value"), words) for one in counted]
        if choices and None not in choices:
            said = zip(choices, counted, strict=True)
            return [(choice, _provenance(one)) for choice, one in said if choice is not None]
    raise InputError("no question is answered with which answer is better, a tie or both bad")


def _counts(response: FileRow) -> bool:
    return response.get("status") not in ("draft", "discarded")


def _provenance(response: FileRow) -> Provenance:
    user = cells.told(response, "user_id")
    return Provenance(annotator=user) if user else Provenance()


def _choice(value: object, words: ResponseNames) -> Choice | None:
    """Return the choice of a response value; None if it is none."""
    if isinstance(value, str):
        return words.get(_letters(value))
    if not isinstance(value, list):
        return None
    ranks = {words.get(_letters(name)): rank for rank, name in _ranks(value)}
    if ranks.keys() != {Choice.A, Choice.B}:
        return None
    if ranks[Choice.A] == ranks[Choice.B]:
        return Choice.TIE
    return Choice.A if ranks[Choice.A] < ranks[Choice.B] else Choice.B


def _ranks(ranking: list[object]) -> Iterator[tuple[float, str]]:
    for place, entry in enumerate(ranking, 1):
        if isinstance(entry, Mapping):
            rank = entry.get("rank")
            yield rank if isinstance(rank, int | float) else place, cells.told(entry, "value")
        else:
            yield place, entry if isinstance(entry, str) else ""


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    annotator = pair.provenance.get("annotator", "")
    response = {
        "value": _SAID[pair.choice],
        "user_id": str(uuid5(NAMESPACE_OID, f"prefloop annotator {annotator}")),
        "status": "submitted",
    }
    return [
        {
            "id": layout.identity(pair),
            "fields": {"chat": list(pair.prompt), "response_a": pair.a, "response_b": pair.b},
            "responses": {"preference": [response]},
        }
    ]


FORMAT = _Argilla(
    "argilla",
    ("fields", "responses"),
    _read,
    _write,
    pa.schema(
        [
            ("id", TEXT),
            ("fields", pa.struct([("chat", TURNS), ("response_a", TEXT), ("response_b", TEXT)])),
            ("responses", pa.struct([("preference", pa.list_(_RESPONSE))])),
        ]
    ),
    _shape,
    choices=ALL,
)
