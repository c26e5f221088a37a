"""A round's report as a Markdown file, read back by a Markdown parser."""

import dataclasses
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from app.reports.markdown_file import round_report, settings_of
from app.rounds.runner import RoundView
from data.records import Decision, Round, RoundState, Ruling
from tests.app.canned_rounds import manifest

MINUTE_MS = 60_000
COUNTS = {"train": 120, "heldout": 30, "both_bad": 2, "judgments": 160, "excluded_tie": 9, "excluded_skip": 4}
CONFIG: dict[str, object] = {
    "seed": 3,
    "training": {"algorithm": "dpo", "beta": 0.1, "max_tokens": None, "reference": {"kind": "base"}},
    "probes": [[], []],
}
ROUND = Round(7, RoundState.PROMOTED, None, CONFIG, COUNTS, 1, 0, 3 * MINUTE_MS, 0.161)
DONE = RoundView(ROUND, None, [], manifest(0.7, 40))
NAMES = {1: "wise-otter"}


def tables(markdown: str) -> list[list[list[str]]]:
    """All tables of a Markdown text as rows of cells, heads left out."""
    found: list[list[list[str]]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    for before, token in pairwise(tokens):
        if before.type == "tbody_open":
            found.append([])
        if before.type == "tr_open" and token.type == "td_open":
            found[-1].append([])
        if before.type == "td_open":
            found[-1][-1].append("".join(child.content for child in token.children or []))
    return found


def rows(markdown: str) -> dict[str, list[str]]:
    """The rows of all tables by their first cell."""
    return {name: cells for table in tables(markdown) for name, *cells in table}


def test_the_report_says_who_asked_for_what_and_when() -> None:
    text = round_report(DONE, version=None, decisions=[], names=NAMES)
    assert text.startswith(
        "# Round 7\n\n- State: promoted\n- Started by: wise-otter, by hand\n- Started: 1970-01-01 00:00 UTC\n"
    )
    assert "- Ended: 1970-01-01 00:03 UTC, 180 s later" in text


def test_what_it_was_given_and_what_was_left_out_are_counted() -> None:
    found = rows(round_report(DONE, version=None, decisions=[], names=NAMES))
    assert (found["Training pairs"], found["Pairs of two bad answers"]) == (["120"], ["2"])
    assert (found["tie"], found["skip"], found["Share of flipped votes"]) == (["9"], ["4"], ["0.16"])


def test_all_tables_of_the_page_are_in_the_file() -> None:
    found = rows(round_report(DONE, version=None, decisions=[], names=NAMES))
    assert found["Held-out accuracy"] == ["70 %"]
    assert found["Margin: by how much more"] == ["+2.00 nats", "+1.20 nats"]
    assert found["torch"] == ["2.9"]


def test_all_answers_to_fixed_questions_are_in_the_file() -> None:
    text = round_report(DONE, version=None, decisions=[], names=NAMES)
    answers = ("The new version: For 7 minutes.", "round-000001: Gently.", "base: Boil it.")
    assert "\n    - ".join(("- how do I boil an egg?", *answers)) in text
    assert len(rows(text)["KL, mean"]) == 2


def test_settings_are_listed_flat() -> None:
    found = rows(round_report(DONE, version=None, decisions=[], names=NAMES))
    assert (found["training.reference.kind"], found["training.max_tokens"]) == (["base"], ["none"])
    assert settings_of(ROUND) == {
        "seed": 3,
        "training.algorithm": "dpo",
        "training.beta": 0.1,
        "training.max_tokens": None,
        "training.reference.kind": "base",
        "probes": "2 entries",
    }


def test_decisions_come_with_their_numbers() -> None:
    decided = [
        Decision(1, "round-000007", Ruling.TRY, "it broke no limit", {}, None, 0),
        Decision(2, "round-000007", Ruling.PROMOTE, "it wins", {"better": 20.123456, "votes": 80}, 1, MINUTE_MS),
        Decision(3, "round-000007", Ruling.REFUSE, "it lost", {"margin against round-000005": -5.0}, None, MINUTE_MS),
    ]
    text = round_report(DONE, version="round-000007", decisions=decided, names=NAMES)
    assert "## Decisions on round-000007" in text
    [table] = [table for table in tables(text) if table[0][1] == "try"]
    assert table == [
        ["1970-01-01 00:00 UTC", "try", "prefloop", "it broke no limit", ""],
        ["1970-01-01 00:01 UTC", "promote", "wise-otter", "it wins", "better: 20.1, votes: 80"],
        ["1970-01-01 00:01 UTC", "refuse", "prefloop", "it lost", "margin against round-000005: -5"],
    ]


def test_a_failed_round_has_a_file_that_says_why() -> None:
    failed = dataclasses.replace(ROUND, state=RoundState.FAILED, reason="loss is\nnot finite", started_by=None)
    text = round_report(RoundView(failed, None, [], None), version=None, decisions=[], names=NAMES)
    assert "- State: failed\n- Reason: loss is not finite\n- Started by: prefloop, by hand\n" in text
    assert "There is none: its training has not ended well." in text


@pytest.mark.parametrize("hostile", ["a | b", "<script>alert(1)</script>", "two\nlines", "`code` \\| end\\"])
def test_words_of_others_stay_words(hostile: str) -> None:
    decided = [Decision(1, "round-000007", Ruling.REFUSE, hostile, {}, None, 0)]
    text = round_report(DONE, version="round-000007", decisions=decided, names=NAMES)
    [table] = [table for table in tables(text) if table[0][1] == "refuse"]
    assert table[0][3] == hostile.replace("\n", " ")
    assert table[0][4] == ""


def test_exclusions_are_named_by_their_reason() -> None:
    assert ROUND.excluded == {"tie": 9, "skip": 4}


def test_what_was_selected_is_named_by_its_digest_and_its_rules() -> None:
    chosen = dataclasses.replace(ROUND, sha256="a" * 64, rules={"since_last": True, "replay": 0.25})
    text = round_report(RoundView(chosen, None, [], None), version=None, decisions=[], names=NAMES)
    assert f"SHA-256 of what was selected: `{'a' * 64}`" in text
    assert "| since_last | True |\n| replay | 0.25 |" in text
