"""The lines of a snapshot: from the store as it froze them, from a file split as the store would, on disk and back."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from data.records import Completion, FinishReason, Pair, Prompt, Sampling, Snapshot, Split
from data.records.examples import PairExample, RatedExample
from data.store import PreferenceStore
from tests.trainer.scene import ask, toy_snapshot
from trainer.interface.snapshot import (
    SnapshotCompletion,
    SnapshotLines,
    SnapshotPair,
    SnapshotRating,
    lines_of_examples,
    lines_of_store,
    read_pairs,
    read_ratings,
    write_lines,
)

BREAKS = "a\u2028b\u2029c\x85d\x0be\x1ef\r\ng\n"
QUESTIONS = [ask(f"{i}?") for i in range(40)]
EVERY = {f"{i}?" for i in range(40)}


def sampled(key: int, ids: tuple[int, ...], finish: FinishReason) -> Completion:
    logprobs = tuple(-1.0 for _ in ids)
    return Completion(key, 1, "round-000002", f"text {key}", ids, logprobs, finish, Sampling(), key, 0)


def both_bad() -> Pair:
    prompt = Prompt(1, ask("why?"), "h", Split.TRAIN, "test", None, 0)
    a, b = sampled(1, (7, 8, 2), FinishReason.STOP), sampled(2, (9, 9), FinishReason.LENGTH)
    return Pair(31, prompt, a, b, 1, 0)


def asked(lines: Iterable[SnapshotPair | SnapshotRating]) -> set[str]:
    return {line.prompt[-1]["content"] for line in lines}


def lines_of(pairs: list[PairExample], rated: list[RatedExample], share: float) -> SnapshotLines:
    return lines_of_examples(pairs, rated, heldout_share=share, excluded={})


class TestOfTheStore:
    def test_a_pair_whose_answers_were_both_bad_is_two_bad_ratings(self) -> None:
        found = lines_of_store(Snapshot((), (), {}, both_bad=(both_bad(),)))
        assert [(r.pair_id, r.prompt, r.completion.token_ids, r.desirable) for r in found.rated] == [
            (31, ask("why?"), (7, 8, 2), False),
            (31, ask("why?"), (9, 9), False),
        ]

    def test_decided_pairs_are_no_ratings_and_ties_nothing_but_a_count(self) -> None:
        found = lines_of_store(toy_snapshot(train=3, heldout=2))
        assert (len(found.train), len(found.heldout), len(found.rated)) == (3, 2, 0)
        assert found.excluded == {"tie": 3}

    def test_a_completion_knows_whether_it_ended_and_who_made_it(self) -> None:
        ended, cut = (rating.completion for rating in lines_of_store(Snapshot((), (), {}, (both_bad(),))).rated)
        assert (ended.ended, cut.ended) == (True, False)
        assert ended.version == cut.version == "round-000002"

    def test_a_pair_keeps_the_judgments_it_is_of(self) -> None:
        frozen = toy_snapshot(train=2, heldout=0).train
        assert [pair.judgment_ids for pair in lines_of_store(toy_snapshot(2, 0)).train] == [
            preference.judgment_ids for preference in frozen
        ]


class TestOfAFile:
    @pytest.mark.parametrize("share", [0.2, 0.5])
    def test_prompts_are_split_as_the_store_splits_them(self, tmp_path: Path, share: float) -> None:
        with PreferenceStore.open(tmp_path / "prefloop.db", heldout_share=share) as store:
            store.prompts.add(QUESTIONS, source="file")
            heldout = {prompt.messages[-1]["content"] for prompt in store.prompts.sample(Split.HELDOUT, 40, seed=0)}
        found = lines_of([PairExample(question, "yes", "no") for question in QUESTIONS], [], share)
        assert asked(found.heldout) == heldout
        assert asked(found.train) == EVERY - heldout
        assert 0 < len(heldout) < 40

    def test_a_prompt_never_stands_on_both_sides(self) -> None:
        found = lines_of([PairExample(q, f"yes {i}", "no") for q in QUESTIONS for i in range(3)], [], 0.5)
        assert not asked(found.train) & asked(found.heldout)
        assert len(found.train) + len(found.heldout) == 120

    def test_ratings_of_held_out_prompts_do_not_train(self) -> None:
        rated = [RatedExample(question, "yes", True) for question in QUESTIONS]
        found = lines_of([PairExample(question, "yes", "no") for question in QUESTIONS], rated, 0.5)
        assert asked(found.rated) == asked(found.train) != EVERY

    def test_texts_come_without_ids_and_ended(self) -> None:
        (pair,) = lines_of([PairExample(ask("why?"), "because", "no", 2.0)], [], 0.0).train
        assert (pair.chosen, pair.rejected) == (SnapshotCompletion("because"), SnapshotCompletion("no"))
        assert pair.chosen.token_ids is None and pair.chosen.ended and pair.strength == 2.0

    def test_pairs_and_ratings_have_numbers_of_their_own(self) -> None:
        pairs = [PairExample(ask("a"), "yes", "no"), PairExample(ask("b"), "yes", "no")]
        found = lines_of(pairs, [RatedExample(ask("c"), "yes", False)], 0.0)
        assert [line.pair_id for line in found.train] == [1, 2]
        assert [line.pair_id for line in found.rated] == [3]


class TestOnDisk:
    def test_pairs_come_back_as_they_were(self, tmp_path: Path) -> None:
        pairs = [
            SnapshotPair(
                1,
                ({"role": "system", "content": BREAKS}, {"role": "user", "content": BREAKS}),
                SnapshotCompletion(BREAKS, (7, 2), FinishReason.STOP, "base"),
                SnapshotCompletion('中 "\\', None),
                2.5,
                (4, 5),
            ),
            SnapshotPair(2, ask("?"), SnapshotCompletion("", (7,), FinishReason.LENGTH), SnapshotCompletion("b")),
        ]
        write_lines(tmp_path / "pairs.jsonl", pairs)
        assert read_pairs(tmp_path / "pairs.jsonl") == pairs

    def test_ratings_come_back_as_they_were(self, tmp_path: Path) -> None:
        ratings = [
            SnapshotRating(1, ask(BREAKS), SnapshotCompletion(BREAKS), desirable=True),
            SnapshotRating(2, ask("?"), SnapshotCompletion("b", (3, 2), FinishReason.STOP, "v"), desirable=False),
        ]
        write_lines(tmp_path / "rated.jsonl", ratings)
        assert read_ratings(tmp_path / "rated.jsonl") == ratings

    def test_no_lines_are_an_empty_file(self, tmp_path: Path) -> None:
        write_lines(tmp_path / "rated.jsonl", [])
        assert (tmp_path / "rated.jsonl").read_bytes() == b""
        assert read_ratings(tmp_path / "rated.jsonl") == []
