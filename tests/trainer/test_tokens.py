"""Where tokens begin and end: prompts by the template, completions as sampled, cuts counted."""

import pytest

from data.errors import InputError
from data.records import FinishReason
from tests.trainer.scene import EOS, ask
from trainer.base import Base
from trainer.snapshot import SnapshotCompletion, SnapshotPair, SnapshotRating
from trainer.tokens import Encoder, TokenPair

QUESTION = ask("why?")


def sampled(*ids: int) -> SnapshotCompletion:
    return SnapshotCompletion("a text that says something else", ids, FinishReason.STOP, "base")


def pair(chosen: SnapshotCompletion) -> SnapshotPair:
    return SnapshotPair(41, QUESTION, chosen, sampled(7, EOS), 3.0)


def test_sampled_ids_are_never_tokenized_again(base: Base) -> None:
    (tokens,) = Encoder(base, max_tokens=None).pairs([pair(sampled(9, 8, EOS))])
    assert tokens == TokenPair(base.encode(QUESTION), (9, 8, EOS), (7, EOS), 3.0)


def test_a_text_from_elsewhere_is_tokenized_and_ended(base: Base) -> None:
    (tokens,) = Encoder(base, max_tokens=None).pairs([pair(SnapshotCompletion("because"))])
    assert tokens.chosen_ids[-1] == EOS
    assert base.text(tokens.chosen_ids) == "because"


def test_a_text_that_was_cut_off_is_not_taught_to_end(base: Base) -> None:
    cut = SnapshotCompletion("because", finish_reason=FinishReason.LENGTH)
    (tokens,) = Encoder(base, max_tokens=None).pairs([pair(cut)])
    assert EOS not in tokens.chosen_ids


def test_a_prompt_is_cut_from_the_left_to_fit_and_counted(base: Base) -> None:
    whole = base.encode(QUESTION)
    encoder = Encoder(base, max_tokens=len(whole) + 1)
    (tokens,) = encoder.pairs([pair(sampled(9, 8, EOS))])
    assert tokens.prompt_ids == whole[2:]
    assert tokens.chosen_ids == (9, 8, EOS)
    assert (encoder.cuts.prompts_cut, encoder.cuts.dropped) == (1, 0)


def test_a_completion_that_leaves_no_room_drops_its_pair_and_is_counted(base: Base) -> None:
    encoder = Encoder(base, max_tokens=3)
    assert encoder.pairs([pair(sampled(9, 8, EOS))]) == []
    assert encoder.cuts.dropped == 1


def test_the_models_context_is_the_limit_that_nobody_can_raise(base: Base) -> None:
    encoder = Encoder(base, max_tokens=10**6)
    assert encoder.pairs([pair(sampled(*[5] * base.context))]) == []
    assert encoder.cuts.dropped == 1


def test_a_rating_is_one_completion(base: Base) -> None:
    (tokens,) = Encoder(base, max_tokens=None).ratings([SnapshotRating(1, QUESTION, sampled(9, EOS), desirable=False)])
    assert (tokens.completion_ids, tokens.desirable) == ((9, EOS), False)
    assert tokens.group.completions == ((9, EOS),)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (sampled(), "pair 41: a completion has no tokens"),
        (sampled(5, 100_000), "pair 41: its token ids are not of .*another model sampled it"),
    ],
)
def test_what_cannot_train_is_refused_in_words(base: Base, wrong: SnapshotCompletion, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Encoder(base, max_tokens=None).pairs([pair(wrong)])
