import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_from_disk
from huggingface_hub import HfApi

from app.api.exports import ExportOut
from app.api.imports import ImportOut
from data.store import PreferenceStore
from tests.app.cli.test_main import run
from tests.app.hub import hub
from tests.browser.servers import running

Out = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch
ROWS = 20


@pytest.fixture(scope="module", params=["a server runs", "no server runs"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a few judged pairs; every command does the same with a server and without."""
    home = tmp_path_factory.mktemp("home")
    if request.param == "no server runs":
        yield home
        return
    with running(["app.cli", "serve", "--home", str(home), "--port", "0"], home):
        yield home


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"q {n}?", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(ROWS)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "nonsense\n")
    return file


def told(monkeypatch: Patch, capsys: Out, *arguments: object) -> Any:
    """What a command says as JSON."""
    assert run(*arguments, "--json", monkeypatch=monkeypatch) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def filled(home: Path, pairs: Path, monkeypatch: Patch, capsys: Out) -> Path:
    assert run("import", "preferences", pairs, "--home", home, monkeypatch=monkeypatch) == 0
    capsys.readouterr()
    return home


def test_a_file_comes_in_and_what_was_left_out_is_said(
    home: Path, pairs: Path, monkeypatch: Patch, capsys: Out
) -> None:
    assert run("import", "preferences", pairs, "--license", "mit", "--home", home, monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert f"{pairs}: jsonl, trl; {ROWS} of {ROWS + 1} rows are good" in out
    assert "line 21: no JSON" in out
    assert f"{ROWS} added, 0 known before, 1 left out" in out
    file = Path(next(line for line in out.splitlines() if line.startswith("left out")).partition(": ")[2])
    assert json.loads(file.read_text())["line"] == 21
    again = told(monkeypatch, capsys, "import", "preferences", pairs, "--home", home)
    assert (again["counts"]["added"], again["counts"]["known"]) == (0, ROWS)


def test_a_dry_run_keeps_nothing(home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text('{"prompt": "other?", "chosen": "a", "rejected": "b"}\n')
    seen = told(monkeypatch, capsys, "import", "preferences", file, "--dry-run", "--home", home)
    assert (seen["good"], seen["format"]) == (1, "trl")
    kept = told(monkeypatch, capsys, "import", "preferences", file, "--home", home)
    assert kept["counts"]["added"] == 1


def test_prompts_come_in(home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("What is a wombat?\nAnd why?\n")
    assert run("import", "prompts", file, "--home", home, monkeypatch=monkeypatch) == 0
    assert "2 added, 0 known before, 0 left out" in capsys.readouterr().out


def test_a_directory_of_datasets_comes_in(home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    rows = [{"prompt": f"dir {n}?", "chosen": "yes", "rejected": "no"} for n in range(3)]
    Dataset.from_list(rows).save_to_disk(str(tmp_path / "directory"))
    capsys.readouterr()
    done = told(monkeypatch, capsys, "import", "preferences", tmp_path / "directory", "--home", home)
    assert (done["counts"]["added"], done["source"]) == (3, "directory")


def test_rows_of_a_directory_that_cannot_be_read_are_numbered_and_named(
    home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out
) -> None:
    (home / "prefloop.toml").write_text("[imports]\nrow_mb = 1\n")
    long = "x" * 1_500_000
    rows = [{"prompt": "long 1?", "chosen": one, "rejected": "b"} for one in ("a", long, "b", "c")]
    Dataset.from_list(rows).save_to_disk(str(tmp_path / "directory"))
    capsys.readouterr()
    seen = told(monkeypatch, capsys, "import", "preferences", tmp_path / "directory", "--dry-run", "--home", home)
    assert (seen["rows"], seen["good"]) == (4, 2)
    assert seen["bad"] == [
        {"number": 2, "reason": "no row: longer than 1 MB"},
        {"number": 3, "reason": "chosen and rejected are the same"},
    ]
    (home / "prefloop.toml").unlink()


def test_an_export_is_a_file_with_its_manifest(filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    out = tmp_path / "out.jsonl"
    assert run("export", "--format", "hh-rlhf", "--out", out, "--home", filled, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) >= ROWS and set(rows[0]) == {"chosen", "rejected"}
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    train, test = manifest["counts"]["pairs_train"], manifest["counts"]["pairs_test"]
    assert train + test == len(rows)
    assert f"{train} pairs to train on, from {train} judgments\n{test} held-out pairs, from {test} judgments" in said


def test_a_place_that_cannot_be_written_is_told_with_the_reason(
    filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out
) -> None:
    out = tmp_path / "nowhere" / "out.jsonl"
    assert run("export", "--out", out, "--home", filled, monkeypatch=monkeypatch) == 2
    assert f"{out} cannot be written: No such file or directory" in capsys.readouterr().err


def test_the_manifest_names_the_file_that_it_lies_beside(
    filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out
) -> None:
    for name, loaded in (("mine.jsonl", True), ("mine.parquet", True), ("mine.jsonl.gz", False), ("mine", False)):
        out = tmp_path / name
        order = ("export", "--format", "sharegpt-ranking", "--out", out, "--home", filled)
        assert run(*order, monkeypatch=monkeypatch) == 0
        manifest = json.loads((tmp_path / f"{name}.manifest.json").read_text())
        assert manifest["file"] == name
        assert ("dataset_info" in manifest) == loaded
        assert not loaded or manifest["dataset_info"]["mine"]["file_name"] == name
    assert capsys.readouterr().err == ""


def test_a_name_that_says_another_kind_of_file_is_refused(
    filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out
) -> None:
    order = ("export", "--container", "csv", "--out", tmp_path / "out.jsonl", "--home", filled)
    assert run(*order, monkeypatch=monkeypatch) == 2
    assert "a csv file's name ends in .csv" in capsys.readouterr().err
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize("more", [("--out", "out.csv"), ("--dry-run", "--container", "csv")])
def test_what_a_trainer_does_not_read_of_csv_is_said(
    filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out, more: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for json_ in ((), ("--json",)):
        assert run("export", *more, *json_, "--home", filled, monkeypatch=monkeypatch) == 0
        said = capsys.readouterr().err
        assert said.startswith("prompt, chosen, rejected: lists or objects") and "trl-text" in said
    assert run("export", *more, "--format", "trl-text", "--home", filled, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().err == ""


def test_what_came_in_and_went_out_is_listed(
    filled: Path, pairs: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out
) -> None:
    made = told(monkeypatch, capsys, "export", "--out", tmp_path / "out.jsonl", "--home", filled)
    for command, entries in ((("import", "list"), ImportOut), (("exports",), ExportOut)):
        found = told(monkeypatch, capsys, *command, "--home", filled)
        assert found[0].keys() == entries.model_fields.keys()
        assert run(*command, "--home", filled, monkeypatch=monkeypatch) == 0
        _, newest, *_ = capsys.readouterr().out.splitlines()
        assert newest.split()[0] == str(found[0]["id"])
        assert pairs.name in newest if command[0] == "import" else made["sha256"][:12] in newest


def test_an_export_is_told_as_the_api_has_it(filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    out = tmp_path / "out.jsonl"
    said = told(monkeypatch, capsys, "export", "--out", out, "--home", filled)
    assert said.keys() == ExportOut.model_fields.keys()
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    assert {key: said[key] for key in ("sha256", "request", "counts")} == {
        key: manifest[key] for key in ("sha256", "request", "counts")
    }
    assert (said["format"], said["container"], said["here"]) == ("trl", "jsonl", False)


def test_a_push_is_told_as_the_api_has_it(pairs: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    home = tmp_path / "home"
    assert run("import", "preferences", pairs, "--home", home, monkeypatch=monkeypatch) == 0
    capsys.readouterr()
    with hub() as one:
        monkeypatch.setattr("app.datasets.hub.HfApi", lambda: one.api)
        said = told(monkeypatch, capsys, "export", "--push", "me/eggs", "--home", home)
    assert said.keys() == ExportOut.model_fields.keys()
    assert (said["container"], said["request"]["repo"], said["here"]) == ("hub", "me/eggs", False)


def test_our_own_format_has_every_judgment(filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    file = tmp_path / "votes.jsonl"
    row = {
        "format": "prefloop/1",
        "prompt": [{"role": "user", "content": "own?"}],
        "a": {"text": "x"},
        "b": {"text": "y"},
    }
    said = [
        {"choice": "a", "annotator": "u1"},
        {"choice": "a", "annotator": "u2"},
        {"choice": "tie", "annotator": "u3"},
    ]
    file.write_text("".join(json.dumps(row | one) + "\n" for one in said))
    assert run("import", "preferences", file, "--home", filled, monkeypatch=monkeypatch) == 0
    held: dict[tuple[str, ...], int] = {}
    for more in ((), ("--no-ties",), ("--aggregation", "majority")):
        out = tmp_path / f"out{len(held)}.jsonl"
        assert (
            run("export", "--format", "prefloop", *more, "--out", out, "--home", filled, monkeypatch=monkeypatch) == 0
        )
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        held[more] = sum(row["prompt"][0]["content"] == "own?" for row in rows)
    assert list(held.values()) == [3, 2, 1]
    capsys.readouterr()
    counts = told(monkeypatch, capsys, "export", "--format", "prefloop", "--dry-run", "--home", filled)["counts"]
    pairs, judgments = (
        sum(counts.get(f"{of}_{part}", 0) for part in ("train", "test")) for of in ("pairs", "judgments")
    )
    assert judgments == pairs + 2


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.json.gz"])
def test_the_name_says_what_kind_of_file_it_is(
    filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out, name: str
) -> None:
    out = tmp_path / name
    assert run("export", "--provenance", "--out", out, "--home", filled, monkeypatch=monkeypatch) == 0
    capsys.readouterr()
    seen = told(monkeypatch, capsys, "import", "preferences", out, "--dry-run", "--home", filled)
    assert seen["format"] == "trl" and seen["good"] == seen["rows"] >= ROWS


def test_a_name_without_an_ending_is_a_directory(filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    out = tmp_path / "directory"
    assert run("export", "--out", out, "--home", filled, monkeypatch=monkeypatch) == 0
    assert "train" in load_from_disk(str(out))
    assert run("export", "--out", out, "--home", filled, monkeypatch=monkeypatch) == 2
    assert "directory" in capsys.readouterr().err


def test_a_dry_run_shows_counts_and_rows(filled: Path, monkeypatch: Patch, capsys: Out) -> None:
    seen = told(monkeypatch, capsys, "export", "--dry-run", "--split", "train", "--home", filled)
    assert len(seen["rows"]) == 5
    assert "excluded_other_split" in seen["counts"]


@pytest.mark.parametrize(("more", "private"), [((), True), (("--public",), False)])
def test_a_dataset_is_pushed(
    pairs: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out, more: tuple[str, ...], private: bool
) -> None:
    home = tmp_path / "home"
    assert run("import", "preferences", pairs, "--home", home, monkeypatch=monkeypatch) == 0
    with hub() as one:
        monkeypatch.setattr("app.datasets.hub.HfApi", lambda: one.api)
        assert run("export", "--push", "me/eggs", *more, "--home", home, monkeypatch=monkeypatch) == 0
        assert one.repos == {"me/eggs": private}
        assert "data/train.parquet" in one.files
    assert "https://huggingface.co/datasets/me/eggs" in capsys.readouterr().out


def test_without_a_network_a_push_says_so(pairs: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    monkeypatch.setattr("app.datasets.hub.HfApi", lambda: HfApi(endpoint="http://127.0.0.1:9", token="hf_x"))
    home = tmp_path / "home"
    assert run("import", "preferences", pairs, "--home", home, monkeypatch=monkeypatch) == 0
    assert run("export", "--push", "me/eggs", "--home", home, monkeypatch=monkeypatch) == 2
    assert "me/eggs was not published" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say one of --out FILE"),
        (("--out", "x.jsonl", "--format", "no-such"), "no-such"),
        (("--out", "x.doc"), "does not say what kind of file it is"),
        (("--dry-run", "--ties"), "cannot say tie"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    filled: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("export", *arguments, "--home", filled, monkeypatch=monkeypatch) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.glob("x.*")) == []


def test_a_file_that_is_not_there_is_named(home: Path, tmp_path: Path, monkeypatch: Patch, capsys: Out) -> None:
    assert run("import", "prompts", tmp_path / "none.txt", "--home", home, monkeypatch=monkeypatch) == 2
    assert "none.txt" in capsys.readouterr().err


def test_what_is_done_without_a_server_is_kept(tmp_path: Path, pairs: Path, monkeypatch: Patch, capsys: Out) -> None:
    home, out = tmp_path / "home", tmp_path / "out.jsonl"
    assert run("import", "preferences", pairs, "--dry-run", "--home", home, monkeypatch=monkeypatch) == 0
    assert run("import", "preferences", pairs, "--home", home, monkeypatch=monkeypatch) == 0
    assert run("export", "--dry-run", "--home", home, monkeypatch=monkeypatch) == 0
    assert run("export", "--out", out, "--home", home, monkeypatch=monkeypatch) == 0
    with PreferenceStore.open(home / "prefloop.db") as store:
        acts = store.audit.newest(9)[::-1]
    assert [(act.actor_id, act.action, act.detail) for act in acts] == [
        (None, "import_file", {"kind": "preferences", "name": "pairs.jsonl", "source": "pairs.jsonl"}),
        (None, "export_preferences", {"format": "trl", "export": 1, "out": str(out)}),
    ]
