"""Adapters side by side: the same prompts and seeds for all, and numbers recomputed another way."""

import pytest

from data.records import Message, Sampling
from tests.trainer.scene import ask, random_lora
from trainer.evaluation.contenders import Contenders, rows_for
from trainer.model.base import Base
from trainer.sampling.sampler import SampledRow

SAMPLES = 64
PROMPTS = [ask("how do I boil an egg?"), ask("why?")]


@pytest.fixture
def contenders(base: Base) -> Contenders:
    adapters = {"one": random_lora(base.model, seed=1, rank=2), "two": random_lora(base.model, seed=2, rank=4)}
    return Contenders(base, {"base": None, **adapters})


def sampled(contenders: Contenders, name: str, *, seed: int) -> list[SampledRow]:
    return contenders.draw(contenders.requests(name, PROMPTS, count=SAMPLES, max_new_tokens=4, seed=seed))


def test_all_are_asked_the_same_with_the_same_seeds(contenders: Contenders) -> None:
    drawn = [sampled(contenders, name, seed=3) for name in ("base", "one", "two")]
    asked = [[(row.request.prompt_ids, row.request.seed) for row in rows] for rows in drawn]
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == SAMPLES
    assert len({tuple(map(tuple, (row.token_ids for row in rows))) for rows in drawn}) == 3


def test_an_answer_to_a_probe_is_the_same_each_time_and_each_in_its_place(contenders: Contenders) -> None:
    def answers(name: str, prompts: list[tuple[Message, ...]]) -> list[list[int]]:
        rows = contenders.draw(contenders.probes(name, prompts, Sampling(max_new_tokens=8), seed=0))
        return [row.token_ids for row in rows]

    both = answers("one", PROMPTS)
    assert both == answers("one", PROMPTS)
    assert answers("one", PROMPTS[::-1]) == both[::-1]
    assert answers("two", PROMPTS) != both


def test_answers_of_all_in_one_stream_are_those_that_each_gives_alone(contenders: Contenders) -> None:
    names = ("base", "one", "two")
    asked = [contenders.requests(name, PROMPTS, count=20, max_new_tokens=6, seed=3) for name in names]
    ended: list[None] = []
    together = contenders.draw([request for one in asked for request in one], lambda: ended.append(None))
    apart = [row for one in asked for row in contenders.draw(one)]
    assert [row.token_ids for row in together] == [row.token_ids for row in apart]
    assert len(ended) == 60


def test_as_many_are_decoded_side_by_side_as_the_cache_has_room_for(base: Base) -> None:
    assert rows_for(base, Sampling()) == 32  # 2 layers, 2 key heads of 16 in float32: 512 bytes a token
    base.model.config.num_hidden_layers = 512  # 131 kB a token, 512 tokens at most
    try:
        assert rows_for(base, Sampling()) == 32
        base.model.config.num_hidden_layers = 1024
        assert rows_for(base, Sampling()) == 16
        base.model.config.num_hidden_layers = 65536
        assert rows_for(base, Sampling()) == 8
    finally:
        base.model.config.num_hidden_layers = 2
