import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from data.containers.container import FileLimits, Unreadable
from data.containers.registry import CONTAINERS
from data.errors import InputError
from data.exchange.read_prompts import prompt_rows, prompts_in, read_prompts
from tests.data.scene import Scene

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
HELLO = [{"role": "user", "content": "hello"}]


def written(directory: Path, name: str, content: str) -> Path:
    path = directory / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_text_file_has_a_prompt_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, "p.txt", "\ufeffhello\r\n\n  \n 你好 \n[1]")
    assert [turns[0]["content"] for turns in read_prompts(path)] == ["hello", "你好", "[1]"]


@pytest.mark.parametrize(
    "entry",
    [
        {"prompt": "hello"},
        {"prompt": HELLO},
        {"messages": [*HELLO, {"role": "assistant", "content": "hi"}]},
        {"conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hi"}]},
        {"prompt": "hello", "chosen": "x", "rejected": "y"},
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_json_entries_of_every_kind(tmp_path: Path, entry: object, suffix: str) -> None:
    line = json.dumps(entry)
    path = written(tmp_path, f"p{suffix}", f"{line}\n\n{line}\n")
    assert read_prompts(path) == [HELLO, HELLO]


@pytest.mark.parametrize(
    ("row", "roles"),
    [
        ({"prompt": "Why?", "system": "Be brief."}, ["system", "user"]),
        ({"prompt": "Why?", "system": None}, ["user"]),
        ({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}], "system": "z"}, None),
    ],
)
def test_what_the_model_is_told_before_is_part_of_the_prompt(
    tmp_path: Path, row: dict[str, object], roles: list[str] | None
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps(row))
    [prompt] = read_prompts(file)
    assert [turn["role"] for turn in prompt] == (roles or ["system", "user"])
    assert prompt[0]["content"] == ("x" if roles is None else row.get("system") or "Why?")


def test_a_prompt_with_an_image_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({"prompt": "What is it?", "images": ["a.jpg"]}))
    with pytest.raises(InputError, match="line 1: it has images, and only text can be read"):
        read_prompts(file)


def test_a_json_array(tmp_path: Path) -> None:
    path = written(tmp_path, "p.json", json.dumps([{"prompt": "hello"}, {"messages": HELLO}], indent=1))
    assert read_prompts(path) == [HELLO, HELLO]


def test_a_line_separator_within_a_string_is_no_line(tmp_path: Path) -> None:
    path = written(tmp_path, "p.jsonl", json.dumps({"prompt": "a\u2028b"}, ensure_ascii=False))
    assert read_prompts(path)[0][0]["content"] == "a\u2028b"


def test_a_conversation_is_taken_up_to_its_last_user_turn(tmp_path: Path) -> None:
    turns = [{"from": who, "value": who} for who in ("system", "human", "gpt", "human", "gpt")]
    [conversation] = read_prompts(written(tmp_path, "p.jsonl", json.dumps({"conversations": turns})))
    assert [turn["role"] for turn in conversation] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "no JSON"),
        ("3", "expected an object"),
        ("{}", "none of prompt, messages and conversations"),
        ('{"prompt": 3}', "prompt is no list"),
        ('{"messages": "x"}', "messages is no list"),
        ('{"messages": []}', "without a user turn"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "without a user turn"),
        ('{"messages": [{"role": "tool", "content": "x"}]}', "role 'tool'"),
        ('{"prompt": ""}', "without text"),
        ('{"prompt": "\\ud800"}', "surrogate"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(tmp_path: Path, line: str, words: str) -> None:
    path = written(tmp_path, "p.jsonl", f'{{"prompt": "good"}}\n\n{line}\n')
    with pytest.raises(InputError, match=rf"p\.jsonl, line 3: .*{words}"):
        read_prompts(path)


def test_a_bad_entry_of_an_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p\.json, entry 2: "):
        read_prompts(written(tmp_path, "p.json", '[{"prompt": "good"}, {}]'))
    with pytest.raises(InputError, match=r"p\.json, entry 1: a } that closes nothing"):
        read_prompts(written(tmp_path, "p.json", "[\n}"))


def test_a_file_that_is_not_utf8_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(b"good\nb\xe4d\n")
    with pytest.raises(InputError, match=r"p\.txt, line 2: not UTF-8"):
        read_prompts(path)


@pytest.mark.parametrize("name", ["p.txt", "p.jsonl", "p.json"])
def test_an_empty_file_holds_no_prompt(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="holds no prompt"):
        read_prompts(written(tmp_path, name, "\n"))


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_prompts(tmp_path / "missing.txt")


@pytest.mark.parametrize(("name", "entries"), [("dpo_en_demo.json", 297), ("kto_en_demo.json", 298)])
def test_real_files_can_be_read_and_added(scene: Scene, name: str, entries: int) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"../shared/data/{name} is not here")
    conversations = read_prompts(SHARED / name)
    assert len(conversations) == entries
    added, known = scene.store.prompts.add(conversations, source=name)
    assert added + known == entries
    assert added > entries / 2


TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
COLUMNS = pa.schema([("prompt", pa.string()), ("messages", TURNS), ("chosen", pa.string())])
ROWS: list[Mapping[str, object]] = [
    {"prompt": "hello", "chosen": "x"},
    {"messages": [*HELLO, {"role": "assistant", "content": "hi"}]},
]


@pytest.mark.parametrize("name", ["p.jsonl", "p.jsonl.gz", "p.json", "p.csv", "p.csv.gz", "p.parquet", "saved"])
def test_every_container_has_prompts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    [container] = [one for one in CONTAINERS if one.opens(path)] or [CONTAINERS[0]]
    container.write(path, COLUMNS, {"train": ROWS})
    assert read_prompts(path) == [HELLO, HELLO]


@pytest.mark.parametrize(
    ("name", "content", "unit", "numbers"),
    [
        ("p.txt", b"hello\n\nb\xe4d\n" + b"x" * 100 + b"\nhello", "line", [1, 3, 4, 5]),
        ("p.jsonl", b'{"prompt": "hello"}\n\n{\n3\n{"prompt": "hello"}', "line", [1, 3, 4, 5]),
        ("p.json", b'[{"prompt": "hello"}, {, {"prompt": "\xe4"}}, {"prompt": "hello"}]', "entry", [1, 2, 3]),
        ("p.csv", b"id,prompt\n1,hello\n2\n3,\n4,hello\n", "line", [2, 3, 4, 5]),
    ],
)
def test_rows_come_one_by_one_and_a_bad_one_ends_nothing(
    tmp_path: Path, name: str, content: bytes, unit: str, numbers: list[int]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found, counted = prompt_rows(path, FileLimits(row=64))
    rows = list(counted)
    assert (found, [number for number, _ in rows]) == (unit, numbers)
    assert (rows[0][1], rows[-1][1]) == (HELLO, HELLO)
    assert all(isinstance(row, Unreadable) for _, row in rows[1:-1])
    with pytest.raises(InputError, match=rf"{name}, {unit} {numbers[1]}: "):
        read_prompts(path)


def test_a_text_is_read_by_the_name_it_came_with(tmp_path: Path) -> None:
    assert prompts_in('prompt,id\n"hello",1\n', Path("p.csv")) == [HELLO]
    assert prompts_in("hello\n", Path("etc")) == [HELLO]
    assert prompts_in('[{"prompt": "hello"}]', Path("P.JSON")) == [HELLO]
    with pytest.raises(InputError, match=r"p\.txt, line 2: not UTF-8"):
        prompts_in("hello\n\ud800", Path("p.txt"))
    with pytest.raises(InputError, match=r"p\.csv, line 1: two columns are called 'prompt'"):
        prompts_in("prompt,prompt", Path("p.csv"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_no_line_of_utf_16_is_a_prompt(tmp_path: Path, encoding: str, mark: str) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(f"{mark}What?\r\nAnd why?\r\nHow?\r\n".encode(encoding))
    _, rows = prompt_rows(path)
    reasons = [row.reason for _, row in rows if isinstance(row, Unreadable)]
    assert reasons and all("UTF-16" in reason and "save the file as UTF-8" in reason for reason in reasons)
    with pytest.raises(InputError, match=r"line 1: .*UTF-16.*; save the file as UTF-8"):
        read_prompts(path)


def test_a_line_with_nul_is_named_and_the_others_come(tmp_path: Path) -> None:
    _, rows = prompt_rows(written(tmp_path, "p.txt", "one?\nt\0wo?\nthree?\n"))
    found = dict(rows)
    assert (found[1], found[3]) == ([{"role": "user", "content": "one?"}], [{"role": "user", "content": "three?"}])
    assert isinstance(found[2], Unreadable) and found[2].reason.startswith("NUL")
