import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from app.datasets.export_order import ExportOrder, usual_query
from app.datasets.export_preview import preview
from app.datasets.export_tally import ExportTally
from app.datasets.exporter import columns_of, file_info, write
from app.datasets.hub import publish
from app.datasets.hub_licenses import CardLicense
from app.datasets.importer import save
from app.datasets.manifest import manifest_path
from app.file_reading.look import Brought
from app.file_reading.process import inspect
from data.containers.container import FileLimits
from data.containers.registry import CONTAINERS, by_name, opening
from data.errors import ConflictError, InputError, PrefloopError
from data.exchange.export_query import ExportQuery
from data.formats.registry import FORMATS
from data.records import Choice, ImportKind, Message, Split
from data.records.judged_pair import JudgedPair
from data.rounds.aggregation import Aggregation
from data.store import PreferenceStore
from tests.app.hub import TOKEN, Hub
from tests.app.hub import hub as listening_hub

LIMITS = FileLimits()
ODD = (
    "plain",
    "你好 🙂\u2028\n",
    "=1+1",
    '{"a": 1}',
    "<|im_start|>",
    "x" * 100_000,
    " spaces ",
)
WITH_STRENGTH = {"prefloop", "trl-reward"}
EVERYTHING = ExportQuery(aggregation=Aggregation.JUDGMENTS, ties=True, both_bad=True)
MAJORITY = {"aggregation": "majority", "ties": False, "both_bad": False}


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def bring(store: PreferenceStore, file: Path, directory: Path) -> dict[str, int]:
    """Import a file; the counts."""
    seen = inspect(Brought(file, file.name, ImportKind.PREFERENCES), LIMITS)
    return dict(save(store, seen, LIMITS, directory).counts)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[PreferenceStore]:
    """A store of pairs with odd texts, ties and bad pairs."""
    file = tmp_path / "odd.jsonl"
    rows = [
        {
            "format": "prefloop/1",
            "prompt": [user(f"question {number}?")],
            "a": {
                "text": f"yes {text}{number}",
                "version": "gpt",
                "reasoning": f"hm {text}",
                "reasoning_tokens": number,
            },
            "b": {"text": f"no {text}{number}"},
            "choice": choice.value,
            "strength": number % 3 + 1 if choice.decisive else None,
            "annotator": f"person {number % 2}",
            "created_at": "2024-05-01T12:00:00+00:00",
        }
        for number, text in enumerate(ODD)
        for choice in (Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD)[number % 4 : number % 4 + 1]
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        assert bring(store, file, tmp_path / "imports")["added"] == len(ODD)
        yield store


def meaning(store: PreferenceStore, query: ExportQuery, *, strength: bool = True) -> set[tuple[object, ...]]:
    """What a store's pairs say, whichever side an answer stands on."""
    pairs = [one for one in store.export_rows.judged_pairs(query) if isinstance(one, JudgedPair)]
    return {(p.prompt[-1]["content"], frozenset((p.a, p.b)), _said(p), p.strength if strength else None) for p in pairs}


def pseudonyms(store: PreferenceStore) -> set[str]:
    """Of all who said something."""
    pairs = [one for one in store.export_rows.judged_pairs(EVERYTHING) if isinstance(one, JudgedPair)]
    return {name for pair in pairs for name in pair.provenance["annotators"]}


def _said(pair: JudgedPair) -> str:
    return pair.chosen if pair.choice.decisive else pair.choice.value


def flag_some(store: PreferenceStore, tmp_path: Path) -> None:
    """Ten flagged judgments, on prompts of either split."""
    file = tmp_path / "flagged.jsonl"
    rows = [
        {"format": "prefloop/1", "prompt": [user(f"flagged {number}?")], "a": {"text": "yes"}, "b": {"text": "no"}}
        | {"choice": "a", "flag": "broken_prompt", "split": ("train", "heldout")[number % 2]}
        for number in range(10)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert bring(store, file, tmp_path / "flagged")["added"] == 10


def rows_of(path: Path) -> list[object]:
    _, rows = opening(path).read(path, LIMITS)
    return [row for _, row in rows]


def name_of(container: str) -> str:
    suffixes = {"jsonl": ".jsonl", "csv": ".csv", "parquet": ".parquet", "datasets": ""}
    return f"out{suffixes[container]}"


@pytest.mark.parametrize("container", [one.name for one in CONTAINERS])
@pytest.mark.parametrize("format_", [one.name for one in FORMATS])
def test_what_goes_out_comes_in_again(filled: PreferenceStore, tmp_path: Path, format_: str, container: str) -> None:
    choices = next(one.choices for one in FORMATS if one.name == format_)
    strength = format_ in WITH_STRENGTH
    query = replace(EVERYTHING, ties=Choice.TIE in choices, both_bad=Choice.BOTH_BAD in choices)
    out = tmp_path / name_of(container)
    tally = ExportTally()
    write(filled, ExportOrder(format_, container, query), out, tally)
    assert tally.judgments == len(ODD)
    with PreferenceStore.open(tmp_path / "another.db") as another:
        counts = bring(another, out, tmp_path / "imports2")
        there = meaning(another, EVERYTHING, strength=strength)
    assert (counts["bad"], counts["added"]) == (0, tally.pairs.total())
    here = meaning(filled, query, strength=strength)
    assert there <= here
    # what a format cannot hold is counted, never lost without a word
    assert len(there) + tally.unheld.total() == len(here)


def test_our_own_format_holds_all_of_it(filled: PreferenceStore, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    write(filled, ExportOrder("prefloop", "jsonl", EVERYTHING), out, ExportTally())
    with PreferenceStore.open(tmp_path / "another.db") as another:
        bring(another, out, tmp_path / "imports2")
        assert meaning(another, EVERYTHING) == meaning(filled, EVERYTHING)
        again = tmp_path / "again.jsonl"
        write(another, ExportOrder("prefloop", "jsonl", EVERYTHING), again, ExportTally())
    ours, theirs = ([json.loads(line) for line in file.read_text().split("\n")[:-1]] for file in (out, again))
    for one, other in zip(ours, theirs, strict=True):
        for key in ("judgment", "created_at", "choice", "a", "b", "prompt", "source"):
            assert one[key] == other[key]


def test_what_a_store_gave_out_adds_nothing_to_it(filled: PreferenceStore, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    write(filled, ExportOrder("prefloop", "jsonl", EVERYTHING), out, ExportTally())
    assert bring(filled, out, tmp_path / "imports2") | {"rows": 0} == {
        "rows": 0,
        "added": 0,
        "bad": 0,
        "known": len(ODD),
        "pairs": 0,
        "prompts": 0,
    }


def test_the_same_store_gives_the_same_bytes(filled: PreferenceStore, tmp_path: Path) -> None:
    order = ExportOrder("trl", "jsonl")
    one, other = (write(filled, order, tmp_path / name, ExportTally()) for name in ("a.jsonl.gz", "b.jsonl.gz"))
    assert one.made.sha256 == other.made.sha256


def test_the_manifest_says_what_was_asked_for(filled: PreferenceStore, tmp_path: Path) -> None:
    out = tmp_path / "mine.jsonl"
    made = write(filled, ExportOrder("sharegpt-ranking", "jsonl", ExportQuery(votes=1, ties=False)), out, ExportTally())
    told = json.loads(manifest_path(out).read_text())
    assert (told["file"], told["sha256"], told["counts"]) == ("mine.jsonl", made.made.sha256, made.made.counts)
    assert told["dataset_info"]["mine"]["formatting"] == "sharegpt"
    assert filled.exports.all() == [made]


@pytest.mark.parametrize(
    ("format_", "container", "name", "loaded"),
    [
        ("sharegpt-ranking", "jsonl", "mine.jsonl", True),
        ("sharegpt-kto", "jsonl", "mine.json", True),
        ("alpaca-kto", "parquet", "mine.parquet", True),
        ("sharegpt-ranking", "jsonl", "mine.jsonl.gz", False),
        ("sharegpt-ranking", "jsonl", "mine.ndjson", False),
        ("alpaca-ranking", "csv", "mine.csv", False),
        ("sharegpt-ranking", "csv", "mine.csv.gz", False),
        ("sharegpt-ranking", "datasets", "mine", False),
        ("sharegpt-ranking", "datasets", "mine.json", False),
        ("trl", "jsonl", "mine.jsonl", False),
    ],
)
def test_llama_factory_is_told_of_what_it_can_load(format_: str, container: str, name: str, loaded: bool) -> None:
    info = file_info(ExportOrder(format_, container), name)
    assert (info is not None) == loaded
    assert info is None or list(info) == ["mine"]


@pytest.mark.parametrize(
    ("format_", "columns"),
    [
        ("trl", ("prompt", "chosen", "rejected")),
        ("alpaca-ranking", ("history",)),
        ("trl-text", ()),
        ("trl-unpaired-text", ()),
        ("trl-implicit-text", ()),
        ("hh-rlhf", ()),
    ],
)
def test_a_preview_says_which_columns_csv_has_as_json(
    filled: PreferenceStore, format_: str, columns: tuple[str, ...]
) -> None:
    assert preview(filled, ExportOrder(format_, "csv", provenance=True)).json_columns == columns
    assert preview(filled, ExportOrder(format_, "parquet")).json_columns == ()


@pytest.mark.parametrize("format_", ["prefloop", "trl"])
def test_how_votes_became_one_is_recorded_whatever_is_usual(
    filled: PreferenceStore, tmp_path: Path, format_: str
) -> None:
    out = tmp_path / "out.jsonl"
    for query in (ExportQuery(), usual_query(format_)):
        said = {"aggregation": query.aggregation, "ties": query.ties, "both_bad": query.both_bad}
        made = write(filled, ExportOrder(format_, query=query), out, ExportTally())
        assert json.loads(manifest_path(out).read_text())["request"]["query"] == said
        assert filled.exports.by_id(made.id).made.request["query"] == said


def test_the_manifest_of_an_anonymous_file_names_nobody(filled: PreferenceStore, tmp_path: Path) -> None:
    [someone, *_] = pseudonyms(filled)
    out = tmp_path / "mine.jsonl"
    order = ExportOrder("trl", query=ExportQuery(annotators=(someone,)), anonymous=True)
    made = write(filled, order, out, ExportTally())
    text = manifest_path(out).read_text()
    assert someone not in text
    assert json.loads(text)["request"]["query"] == {"annotators": 1} | MAJORITY
    assert made.made.request["query"] == {"annotators": [someone]} | MAJORITY


def test_what_one_person_said_stays_apart_in_an_anonymous_file(filled: PreferenceStore, tmp_path: Path) -> None:
    said = [
        {"format": "prefloop/1", "prompt": [user(f"{n}?")], "a": {"text": "yes"}, "b": {"text": "no"}}
        | {"choice": choice, "annotator": person, "comment": "why", "judgment": f"{n}{person}"}
        for n in range(3)
        for person, choice in (("u1", "a"), ("u2", "a"), ("u3", "b"))
    ]
    file = tmp_path / "three.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in said))
    with PreferenceStore.open(tmp_path / "three.db") as three:
        bring(three, file, tmp_path / "imports2")
        out = tmp_path / "out.jsonl"
        write(three, ExportOrder("prefloop", query=EVERYTHING, anonymous=True), out, ExportTally())
        names = pseudonyms(three)
    text = out.read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert sorted(row["annotator"].partition("-")[2] for row in rows) == ["1"] * 3 + ["2"] * 3 + ["3"] * 3
    assert len({row["annotator"].partition("-")[0] for row in rows}) == 1
    assert not any(name in text for name in names)
    assert all({"comment", "judgment", "annotators"}.isdisjoint(row) for row in rows)
    with PreferenceStore.open(tmp_path / "another.db") as another:
        assert bring(another, out, tmp_path / "imports3")["added"] == 9
        assert meaning(another, EVERYTHING) == {
            (f"{n}?", frozenset(("yes", "no")), one, None) for n in range(3) for one in ("yes", "no")
        }


@pytest.mark.parametrize("container", [one.name for one in CONTAINERS])
def test_people_are_numbered_within_a_file(filled: PreferenceStore, tmp_path: Path, container: str) -> None:
    out = tmp_path / name_of(container)
    write(filled, ExportOrder("prefloop", container, EVERYTHING, anonymous=True), out, ExportTally())
    by_person: dict[object, set[object]] = {}
    for row in rows_of(out):
        assert isinstance(row, dict)
        by_person.setdefault(row["annotator"], set()).add(int(row["prompt"][0]["content"].split()[1][0]) % 2)
    assert sorted(str(name)[-2:] for name in by_person) == ["-1", "-2"]
    assert sorted(map(list, by_person.values())) == [[0], [1]]


@pytest.mark.parametrize("format_", ["prefloop", "arena", "argilla"])
def test_two_anonymous_files_call_nobody_the_same(tmp_path: Path, format_: str) -> None:
    """Two people of two stores, who disagree on one pair, stay two people where both files come in."""
    files = []
    for person, choice in (("ann", "a"), ("ben", "b")):
        row = {"format": "prefloop/1", "prompt": [user("?")], "a": {"text": "yes"}, "b": {"text": "no"}}
        file = tmp_path / f"{person}.jsonl"
        file.write_text(json.dumps(row | {"choice": choice, "annotator": person}))
        with PreferenceStore.open(tmp_path / f"{person}.db") as store:
            bring(store, file, tmp_path / "imports")
            files.append(tmp_path / f"{person}.out.jsonl")
            write(store, ExportOrder(format_, query=EVERYTHING, anonymous=True), files[-1], ExportTally())
    with PreferenceStore.open(tmp_path / "both.db") as both:
        for file in files:
            seen = inspect(Brought(file, file.name, ImportKind.PREFERENCES), LIMITS, source="them")
            counts = save(both, seen, LIMITS, tmp_path / "imports2").counts
            assert (counts["added"], counts["bad"]) == (1, 0)
        assert len(pseudonyms(both)) == 2


@pytest.mark.parametrize("container", [one.name for one in CONTAINERS])
def test_a_preview_is_what_is_then_written(filled: PreferenceStore, tmp_path: Path, container: str) -> None:
    flag_some(filled, tmp_path)
    order = ExportOrder("trl", container, provenance=True)
    seen = preview(filled, order)
    assert seen.counts["excluded_flagged"] == 10
    tally = ExportTally()
    (tmp_path / "shown").mkdir()
    write(filled, order, tmp_path / name_of(container), tally)
    assert seen.counts == tally.counts()
    written = rows_of(tmp_path / name_of(container))
    by_name(container).write(tmp_path / "shown" / name_of(container), columns_of(order), {"train": seen.rows})
    shown = rows_of(tmp_path / "shown" / name_of(container))
    # a directory has the splits apart
    assert all(row in written for row in shown) if container == "datasets" else shown == written[:5]


def test_a_preview_is_what_is_then_published(filled: PreferenceStore, tmp_path: Path, hub: Hub) -> None:
    flag_some(filled, tmp_path)
    publish(filled, ExportOrder("trl"), "me/eggs", ExportTally(), api=hub.api)
    assert json.loads(hub.files["manifest.json"])["counts"] == preview(filled, ExportOrder("trl")).counts


def test_a_battle_says_which_language_it_is_in(tmp_path: Path) -> None:
    file = tmp_path / "zh.jsonl"
    file.write_text(
        json.dumps({"prompt": "怎么煮鸡蛋？", "chosen": "把鸡蛋放进沸水里煮六分钟。", "rejected": "我不知道。"})
    )
    with PreferenceStore.open(tmp_path / "zh.db") as store:
        bring(store, file, tmp_path / "imports2")
        write(store, ExportOrder("arena"), tmp_path / "out.jsonl", ExportTally())
    assert json.loads((tmp_path / "out.jsonl").read_text())["language"] == "zh"


def test_progress_is_told(filled: PreferenceStore, tmp_path: Path) -> None:
    told: list[int] = []
    tally = ExportTally(told=told.append)
    for _ in range(3):
        tally.add(999)
    assert told == [1998, 2997]


@pytest.mark.parametrize(
    ("order", "name", "words"),
    [
        (ExportOrder("trl", "csv"), "x.jsonl", "name ends in .csv"),
        (ExportOrder("openai", "jsonl", provenance=True), "x.jsonl", "no room for other columns"),
        (ExportOrder("trl", "jsonl", ExportQuery(both_bad=True)), "x.jsonl", "cannot say both_bad"),
        (ExportOrder("trl", "jsonl", ExportQuery(votes=9)), "x.jsonl", "nothing is left to write: few_votes"),
    ],
)
def test_what_cannot_be_is_said_and_leaves_no_file(
    filled: PreferenceStore, tmp_path: Path, order: ExportOrder, name: str, words: str
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=words):
        write(filled, order, tmp_path / "out" / name, ExportTally())
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def hub() -> Iterator[Hub]:
    with listening_hub() as one:
        yield one


def test_a_dataset_is_published_privately_with_a_card(filled: PreferenceStore, hub: Hub) -> None:
    filled.guidelines.publish("Be kind.")
    made = publish(filled, ExportOrder("trl"), "me/eggs", ExportTally(), api=hub.api)
    assert hub.repos == {"me/eggs": True}
    assert {"README.md", "manifest.json", "data/train.parquet"} <= set(hub.files)
    card = hub.files["README.md"].decode()
    manifest = json.loads(hub.files["manifest.json"])
    assert (manifest["file"], manifest["container"]) == ("me/eggs", "hub")
    for words in (
        "# eggs",
        "Be kind.",
        "license: unknown",
        "path: data/train.parquet",
        "odd.jsonl",
        "judged by one person",
    ):
        assert words in card
    assert (made.made.container, made.made.request["repo"]) == ("hub", "me/eggs")


def test_a_card_counts_a_pair_once_however_many_judged_it(tmp_path: Path, hub: Hub) -> None:
    said = {0: "aab", 1: "ab", 2: "a"}
    file = tmp_path / "several.jsonl"
    rows = [
        {"format": "prefloop/1", "prompt": [user(f"{n}?")], "a": {"text": "yes"}, "b": {"text": "no"}}
        | {"choice": choice, "annotator": f"u{person}", "judgment": f"{n}u{person}", "split": "train"}
        for n, choices in said.items()
        for person, choice in enumerate(choices)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        bring(store, file, tmp_path / "imports")
        made = publish(
            store, ExportOrder("prefloop", query=usual_query("prefloop")), "me/eggs", ExportTally(), api=hub.api
        )
        hidden = preview(store, ExportOrder("prefloop", query=usual_query("prefloop"), anonymous=True))
        unheld = preview(store, ExportOrder("trl-implicit-text", query=usual_query("trl-text")))
    card = hub.files["README.md"].decode()
    for words in (
        "| train | 3 | 6 | 6 |",
        "| several.jsonl | 3 |",
        "2 pairs were judged by several people; the outcome has on average 33% of their votes.",
    ):
        assert words in card
    counts = {key: made.made.counts[key] for key in ("pairs_train", "judgments_train", "rows_train")}
    assert counts == {"pairs_train": 3, "judgments_train": 6, "rows_train": 6}
    assert hidden.counts == made.made.counts
    # put together, a pair has as many judgments, in one row
    assert (unheld.counts["pairs_train"], unheld.counts["judgments_train"], unheld.counts["rows_train"]) == (2, 4, 2)


def test_a_pair_that_a_format_cannot_hold_counts_once(tmp_path: Path) -> None:
    file = tmp_path / "several.jsonl"
    row = {"format": "prefloop/1", "prompt": [user("?")], "a": {"text": "It is"}, "b": {"text": "It was"}}
    rows = [row | {"choice": "a", "annotator": f"u{n}", "judgment": f"u{n}"} for n in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    query = ExportQuery(aggregation=Aggregation.JUDGMENTS)
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        bring(store, file, tmp_path / "imports")
        counts = preview(store, ExportOrder("trl-implicit-text", query=query)).counts
    assert counts["judgments"] == 3
    assert [count for key, count in counts.items() if key.startswith("unheld_")] == [1]


def test_llama_factory_is_told_that_it_lies_on_the_hub(filled: PreferenceStore, hub: Hub) -> None:
    publish(filled, ExportOrder("sharegpt-ranking"), "me/eggs-1.0", ExportTally(), api=hub.api)
    info = json.loads(hub.files["manifest.json"])["dataset_info"]
    assert info["eggs-1.0"]["hf_hub_url"] == "me/eggs-1.0"
    assert "file_name" not in info["eggs-1.0"]


def test_a_card_names_nobody_when_asked_not_to(filled: PreferenceStore, hub: Hub) -> None:
    [pseudonym, *_] = pseudonyms(filled)
    order = ExportOrder("trl", query=ExportQuery(annotators=(pseudonym,)), anonymous=True)
    publish(filled, order, "me/eggs", ExportTally(), private=False, api=hub.api)
    assert hub.repos == {"me/eggs": False}
    assert "Who judged is not told." in hub.files["README.md"].decode()
    assert not any(pseudonym.encode() in content for content in hub.files.values())


def test_what_shall_be_private_does_not_go_where_everybody_sees_it(filled: PreferenceStore, hub: Hub) -> None:
    hub.repos["me/eggs"] = False
    with pytest.raises(ConflictError, match="me/eggs is there already, and everybody can see it"):
        publish(filled, ExportOrder("trl"), "me/eggs", ExportTally(), api=hub.api)
    assert hub.files == {}
    publish(filled, ExportOrder("trl"), "me/eggs", ExportTally(), private=False, api=hub.api)
    assert "README.md" in hub.files


def test_of_an_earlier_export_no_row_is_left(filled: PreferenceStore, hub: Hub) -> None:
    hub.repos["me/eggs"] = True
    hub.files = {"data/test.parquet": b"names", "data/old/more.csv": b"", "LICENSE": b"mine", "README.md": b"old"}
    publish(
        filled,
        ExportOrder("trl", query=ExportQuery(split=Split.TRAIN), anonymous=True),
        "me/eggs",
        ExportTally(),
        api=hub.api,
    )
    assert set(hub.files) == {"LICENSE", "README.md", "manifest.json", "data/train.parquet"}
    assert hub.files["README.md"] != b"old"


def test_without_a_network_it_is_said_that_nothing_was_published(filled: PreferenceStore) -> None:
    nobody = HfApi(endpoint="http://127.0.0.1:9", token="hf_x")
    with pytest.raises(PrefloopError, match=r"me/eggs was not published: .*refused.*hf auth login"):
        publish(filled, ExportOrder("trl"), "me/eggs", ExportTally(), api=nobody)
    assert filled.exports.all() == []


@pytest.mark.parametrize(
    ("repo", "token", "words"),
    [
        ("me/eggs", "hf_nobody", "Invalid username or password"),
        ("me/eggs and ham", TOKEN, "Repo id must use"),
    ],
)
def test_what_the_hub_says_against_it_is_quoted(
    filled: PreferenceStore, hub: Hub, repo: str, token: str, words: str
) -> None:
    with pytest.raises(PrefloopError, match=rf"{repo} was not published: [\s\S]*{words}"):
        publish(filled, ExportOrder("trl"), repo, ExportTally(), api=HfApi(endpoint=hub.api.endpoint, token=token))
    assert filled.exports.all() == []


def test_a_card_that_the_hub_refuses_is_told(
    filled: PreferenceStore, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.datasets.hub_card.card_license", lambda _: CardLicense("Mine, all mine"))
    with pytest.raises(PrefloopError, match=r'was not published: Invalid metadata[\s\S]*"license" must be one of'):
        publish(filled, ExportOrder("trl"), "me/eggs", ExportTally(), api=hub.api)


def test_a_licence_of_ones_own_is_published(tmp_path: Path, hub: Hub) -> None:
    file = tmp_path / "mine.jsonl"
    row = {"format": "prefloop/1", "prompt": [user("?")], "a": {"text": "yes"}, "b": {"text": "no"}, "choice": "a"}
    file.write_text(json.dumps(row | {"license": "CC-BY-4.0 (our data)"}))
    with PreferenceStore.open(tmp_path / "prefloop.db") as store:
        bring(store, file, tmp_path / "imports")
        publish(store, ExportOrder("trl"), "me/eggs", ExportTally(), api=hub.api)
    card = hub.files["README.md"].decode()
    for words in ("\nlicense: other\n", "\nlicense_name: cc-by-4.0-our-data\n", "| CC-BY-4.0 (our data) | 1 |"):
        assert words in card


def test_the_licence_of_the_model_goes_along(filled: PreferenceStore, hub: Hub, tmp_path: Path) -> None:
    filled.versions.ensure_base("/somewhere/egg", "r1")
    filled.versions.note_license("apache-2.0 (README.md)")
    publish(filled, ExportOrder("trl"), "me/eggs", ExportTally(), api=hub.api)
    write(filled, ExportOrder("trl", "jsonl"), tmp_path / "out.jsonl", ExportTally())
    expected = {"name": "egg", "license": "apache-2.0 (README.md)"}
    assert json.loads(manifest_path(tmp_path / "out.jsonl").read_text())["base_model"] == expected
    assert json.loads(hub.files["manifest.json"])["base_model"] == expected
    assert "are of `egg` and adapters of it. Its licence: apache-2.0 (README.md)." in hub.files["README.md"].decode()
