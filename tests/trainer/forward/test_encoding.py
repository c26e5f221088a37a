"""Where tokens begin and end: prompts by the template, completions as sampled, cuts counted."""

from dataclasses import replace
from typing import Any

import pytest
from transformers import BatchEncoding

from data.errors import InputError
from data.records import FinishReason, Message
from tests.trainer.scene import EOS, ask
from trainer.forward.encoding import Encoder, TokenPair
from trainer.interface.model_settings import PromptFormat
from trainer.interface.snapshot import SnapshotCompletion, SnapshotPair, SnapshotRating
from trainer.model.base import Base

QUESTION = ask("why?")
BRIEF: Message = {"role": "system", "content": "Be brief."}


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


def test_a_prompt_is_what_the_chat_template_makes_of_it(base: Base) -> None:
    turns: tuple[Message, ...] = (BRIEF, {"role": "user", "content": "why? 你好 <|user|>"})
    said: list[Any] = list(turns)
    oracle = base.tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=True)
    line = SnapshotPair(1, turns, sampled(9, EOS), sampled(7, EOS))
    (tokens,) = Encoder(base, max_tokens=None).pairs([line])
    assert isinstance(oracle, BatchEncoding)
    assert tokens.prompt_ids == tuple(oracle["input_ids"])


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


def test_the_rejected_completion_may_be_the_one_that_is_too_long(base: Base) -> None:
    encoder = Encoder(base, max_tokens=4)
    line = SnapshotPair(1, QUESTION, sampled(9, EOS), sampled(9, 8, 7, EOS))
    assert encoder.pairs([line]) == []
    assert (encoder.cuts.dropped, encoder.cuts.prompts_cut) == (1, 0)


def test_a_rating_that_is_too_long_is_dropped_and_counted_too(base: Base) -> None:
    encoder = Encoder(base, max_tokens=3)
    lines = [SnapshotRating(1, QUESTION, sampled(*ids), desirable=True) for ids in ((9, 8, EOS), (9, EOS))]
    (tokens,) = encoder.ratings(lines)
    assert (tokens.completion_ids, tokens.prompt_ids) == ((9, EOS), base.encode(QUESTION)[-1:])
    assert (encoder.cuts.dropped, encoder.cuts.prompts_cut) == (1, 1)


def test_the_models_context_is_the_limit_that_nobody_can_raise(base: Base) -> None:
    encoder = Encoder(base, max_tokens=10**6)
    assert encoder.pairs([pair(sampled(*[5] * base.context))]) == []
    assert encoder.cuts.dropped == 1


REFUSING = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}{{ messages[-1].content }}"
)
SYSTEM = (BRIEF, *QUESTION)


@pytest.fixture
def encoder(base: Base) -> Encoder:
    return Encoder(base.under(PromptFormat(template=REFUSING)), max_tokens=None)


def test_a_line_that_the_chat_template_refuses_is_left_out_and_named(encoder: Encoder) -> None:
    good = pair(sampled(9, EOS))
    assert len(encoder.pairs([replace(good, pair_id=7, prompt=SYSTEM), good])) == 1
    assert encoder.ratings([SnapshotRating(8, SYSTEM, sampled(9), desirable=True)]) == []
    assert list(encoder.cuts.refused) == [7, 8]
    assert encoder.cuts.notes()[0].startswith("pair 7 is left out: the model's chat template refuses")
    assert "no system role" in encoder.cuts.notes()[0]
    assert encoder.cuts.dropped == 0


def test_of_many_refused_lines_a_few_are_named_and_all_counted(encoder: Encoder) -> None:
    encoder.pairs([replace(pair(sampled(9)), pair_id=number, prompt=SYSTEM) for number in range(30)])
    assert len(encoder.cuts.notes()) == 6
    assert encoder.cuts.notes()[-1] == "25 more pairs are left out in the same way"


def test_an_answer_that_the_chat_template_refuses_leaves_its_line_out(base: Base) -> None:
    template = "{% if 'bad' in messages[-1].content %}{{ 1 / 0 }}{% endif %}{{ messages[-1].content }}"
    encoder = Encoder(base.under(PromptFormat(template=template)), max_tokens=None)
    assert encoder.pairs([pair(SnapshotCompletion("bad"))]) == []
    assert len(encoder.cuts.refused) == 1


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


def test_reasoning_from_elsewhere_is_tokenized_with_its_answer(base: Base) -> None:
    thinks = base.under(base.format.model_copy(update={"template": f"{base.format.template}{{# <think> </think> #}}"}))
    (tokens,) = Encoder(thinks, max_tokens=None).pairs([pair(SnapshotCompletion("because", reasoning="hm"))])
    read = thinks.read(tokens.chosen_ids, prompt_ids=tokens.prompt_ids)
    assert (read.text, read.reasoning) == ("because", "hm")
