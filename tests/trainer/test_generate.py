"""The sampler: right tokens, right log-probs, and the same bits in any company."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from data.records import FinishReason, Sampling
from tests.trainer.scene import EOS, as_peft, random_lora
from trainer.adapter import Adapter
from trainer.base import Base, load_base
from trainer.generate import Request, Row, Sampler

PROMPT = tuple(range(20, 33))
GREEDY = Sampling(temperature=0.0, top_p=1.0, max_new_tokens=24)
FREE = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=24)


def result(row: Row) -> tuple[list[int], list[float], FinishReason | None]:
    return row.token_ids, row.logprobs, row.finish_reason


def requests(count: int, *, seed: int, vocabulary: int = 190) -> list[Request]:
    """Random prompts, versions and ways of sampling."""
    source = random.Random(seed)
    return [
        Request(
            tuple(source.randrange(6, vocabulary) for _ in range(source.randrange(1, 40))),
            source.choice([None, "v1", "v2"]),
            i,
            Sampling(source.choice([0.0, 0.7, 1.0]), source.choice([0.5, 0.95, 1.0]), source.randrange(1, 30)),
        )
        for i in range(count)
    ]


@pytest.fixture
def adapters(base: Base) -> dict[str, Adapter]:
    return {"v1": random_lora(base.model, seed=1), "v2": random_lora(base.model, seed=2, rank=8)}


@pytest.fixture
def sampler(base: Base, adapters: dict[str, Adapter]) -> Sampler:
    sampler = Sampler(base)
    for name, adapter in adapters.items():
        sampler.load(name, adapter)
    return sampler


@torch.no_grad()
def next_logits(model: torch.nn.Module, prompt: tuple[int, ...], answer: list[int]) -> Tensor:
    """Logits that predicted each token of the answer, by a plain forward pass."""
    ids = torch.tensor([[*prompt, *answer]])
    return model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]


class TestAgainstTransformers:
    @pytest.mark.parametrize("length", [1, 13, 60])
    def test_greedy_is_that_of_generate_token_for_token(self, sampler: Sampler, model_dir: Path, length: int) -> None:
        prompt = tuple(range(20, 20 + length))
        (row,) = sampler.generate([Request(prompt, None, 0, GREEDY)])
        oracle = load_base(str(model_dir)).model.generate(
            torch.tensor([prompt]), max_new_tokens=24, do_sample=False, pad_token_id=0
        )
        assert row.token_ids == oracle[0, length:].tolist()

    @pytest.mark.parametrize("name", ["v1", "v2"])
    def test_greedy_with_an_adapter_is_that_of_peft(
        self, sampler: Sampler, model_dir: Path, adapters: dict[str, Adapter], name: str
    ) -> None:
        (row,) = sampler.generate([Request(PROMPT, name, 0, GREEDY)])
        oracle = as_peft(load_base(str(model_dir)).model, adapters[name]).generate(
            input_ids=torch.tensor([PROMPT]), max_new_tokens=24, do_sample=False, pad_token_id=0
        )
        assert row.token_ids == oracle[0, len(PROMPT) :].tolist()

    def test_greedy_through_a_sliding_window_is_that_of_generate(self, base: Base) -> None:
        torch.manual_seed(0)
        config = MistralConfig(
            hidden_size=48,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=200,
            sliding_window=8,
        )
        model = MistralForCausalLM(config).eval()
        oracle = model.generate(torch.tensor([PROMPT]), max_new_tokens=24, do_sample=False, pad_token_id=0)
        sampler = Sampler(replace(base, model=model))
        (row,) = sampler.generate([Request(PROMPT, None, 0, GREEDY)])
        assert row.token_ids == oracle[0, len(PROMPT) :].tolist()

    def test_logprobs_are_those_of_the_version_at_temperature_1(
        self, sampler: Sampler, model_dir: Path, adapters: dict[str, Adapter]
    ) -> None:
        sampling = Sampling(temperature=0.6, top_p=0.8, max_new_tokens=24)
        rows = sampler.generate([Request(PROMPT, name, 5, sampling) for name in (None, "v1", "v2")])
        oracles = [load_base(str(model_dir)).model for _ in rows]
        models = [oracles[0], as_peft(oracles[1], adapters["v1"]), as_peft(oracles[2], adapters["v2"])]
        for row, model in zip(rows, models, strict=True):
            logps = torch.log_softmax(next_logits(model, PROMPT, row.token_ids), -1)
            expected = logps[range(len(row.token_ids)), row.token_ids]
            torch.testing.assert_close(torch.tensor(row.logprobs), expected, rtol=0, atol=1e-4)

    def test_a_score_is_the_log_probability_of_each_token(self, sampler: Sampler, model_dir: Path) -> None:
        answer = [9, 8, 7, EOS]
        logps = torch.log_softmax(next_logits(load_base(str(model_dir)).model, PROMPT, answer), -1)
        expected = logps[range(4), answer]
        torch.testing.assert_close(
            torch.tensor(sampler.score(PROMPT, tuple(answer), None)), expected, rtol=0, atol=1e-5
        )

    def test_a_score_repeats_what_sampling_noted(self, sampler: Sampler) -> None:
        for row in sampler.generate([Request(PROMPT, name, 3, FREE) for name in (None, "v1", "v2")]):
            score = sampler.score(PROMPT, tuple(row.token_ids), row.request.adapter)
            assert score == pytest.approx(row.logprobs, abs=1e-4)


class TestInAnyCompany:
    def test_the_same_seed_and_version_give_the_same_bits(self, sampler: Sampler) -> None:
        wanted = requests(50, seed=0)
        together = [result(row) for row in sampler.generate(wanted)]
        alone = [result(sampler.generate([request])[0]) for request in wanted]
        assert together == alone

    def test_in_another_order_too(self, sampler: Sampler) -> None:
        wanted = requests(30, seed=1)
        expected = [result(row) for row in sampler.generate(wanted)]
        order = list(range(30))
        random.Random(2).shuffle(order)
        shuffled = sampler.generate([wanted[i] for i in order])
        assert {i: result(row) for i, row in zip(order, shuffled, strict=True)} == dict(enumerate(expected))

    def test_at_a_width_where_kernels_differ_by_shape(self, base: Base) -> None:
        """Tiny matrices may take one path whatever the batch; these are of the built-in model's size."""
        torch.manual_seed(0)
        config = LlamaConfig(
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=6,
            num_key_value_heads=3,
            vocab_size=1500,
            max_position_embeddings=256,
        )
        sampler = Sampler(replace(base, model=LlamaForCausalLM(config).eval()))
        for seed, name in enumerate(("v1", "v2")):
            sampler.load(name, random_lora(sampler.base.model, seed=seed, rank=16, size=0.05))
        wanted = requests(24, seed=3, vocabulary=1500)
        together = [result(row) for row in sampler.generate(wanted)]
        assert together == [result(sampler.generate([request])[0]) for request in wanted]

    def test_two_answers_of_one_prefill_equal_two_separate_ones(self, sampler: Sampler) -> None:
        short = replace(FREE, max_new_tokens=9)
        pair = [Request(PROMPT, "v1", 1, FREE), Request(PROMPT, "v1", 2, short)]
        joined = sampler.join(pair)
        while sampler.rows:
            sampler.step()
        assert [result(row) for row in joined] == [result(sampler.generate([request])[0]) for request in pair]

    def test_a_neighbour_that_leaves_changes_nothing(self, sampler: Sampler) -> None:
        request = Request(PROMPT, "v2", 4, FREE)
        expected = result(sampler.generate([request])[0])
        (neighbour,) = sampler.join([Request((50, 51), None, 9, FREE)])
        (row,) = sampler.join([request])
        sampler.step()
        sampler.leave(neighbour)
        while sampler.rows:
            sampler.step()
        assert result(row) == expected

    def test_a_version_loaded_meanwhile_changes_nothing(self, sampler: Sampler, adapters: dict[str, Adapter]) -> None:
        request = Request(PROMPT, "v2", 4, FREE)
        expected = result(sampler.generate([request])[0])
        (row,) = sampler.join([request])
        sampler.unload("v1")
        sampler.step()
        sampler.load("v3", adapters["v1"])
        while sampler.rows:
            sampler.step()
        assert result(row) == expected

    def test_another_seed_gives_another_answer(self, sampler: Sampler) -> None:
        rows = sampler.generate([Request(PROMPT, None, seed, FREE) for seed in range(8)])
        assert len({tuple(row.token_ids) for row in rows}) == 8


class TestTheDraw:
    """The first token of many seeds against the distribution it comes from."""

    @pytest.fixture
    def probs(self, model_dir: Path) -> Tensor:
        return self.sharpen(next_logits(load_base(str(model_dir)).model, PROMPT, [0])[0])

    @staticmethod
    def sharpen(logits: Tensor, temperature: float = 0.05) -> Tensor:
        return torch.softmax(logits.double() / temperature, -1)

    @staticmethod
    def draws(base: Base, sampling: Sampling, count: int = 2000) -> Counter[int]:
        """First tokens of so many seeds, from one prefill."""
        one = replace(sampling, max_new_tokens=1)
        rows = Sampler(base, max_rows=count).join([Request(PROMPT, None, seed, one) for seed in range(count)])
        return Counter(row.token_ids[0] for row in rows)

    def test_frequencies_are_the_probabilities_at_its_temperature(self, base: Base, probs: Tensor) -> None:
        drawn = self.draws(base, Sampling(temperature=0.05, top_p=1.0))
        frequencies = torch.tensor([drawn[token] for token in range(len(probs))]) / drawn.total()
        # five standard deviations of a frequency of 2000 draws, at its widest
        assert (frequencies - probs).abs().max() < 5 * 0.5 / drawn.total() ** 0.5
        assert probs.max() > 0.05  # otherwise any frequency would pass

    @pytest.mark.parametrize("top_p", [0.3, 0.8])
    def test_only_the_nucleus_is_drawn_and_all_of_it(self, base: Base, probs: Tensor, top_p: float) -> None:
        values, order = probs.sort(descending=True)
        size = int((values.cumsum(0) < top_p).sum()) + 1
        nucleus = dict(zip(order[:size].tolist(), (values[:size] / values[:size].sum()).tolist(), strict=True))
        drawn = self.draws(base, Sampling(temperature=0.05, top_p=top_p))
        assert set(drawn) <= set(nucleus)
        for token, share in nucleus.items():
            assert drawn[token] / drawn.total() == pytest.approx(share, abs=5 * 0.5 / drawn.total() ** 0.5)

    def test_a_tiny_nucleus_still_holds_the_likeliest(self, base: Base, probs: Tensor) -> None:
        assert set(self.draws(base, Sampling(temperature=0.05, top_p=1e-9), 40)) == {int(probs.argmax())}

    def test_a_flat_distribution_wider_than_the_head_is_drawn_whole(self, base: Base) -> None:
        """All logits equal over 1500 ids: every id has the same chance, the last included."""
        config = LlamaConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=1500
        )
        model = LlamaForCausalLM(config).eval()
        torch.nn.init.zeros_(model.lm_head.weight)
        drawn = self.draws(replace(base, model=model), Sampling(temperature=1.0, top_p=0.999), 3000)
        assert len(drawn) > 1200  # 1297 are expected
        assert max(drawn.values()) < 15


class TestTheEnd:
    def test_the_token_limit_ends_an_answer(self, sampler: Sampler) -> None:
        (row,) = sampler.generate([Request(PROMPT, None, 0, replace(FREE, max_new_tokens=5))])
        assert len(row.token_ids) == len(row.logprobs) == 5
        assert row.finish_reason is FinishReason.LENGTH

    def test_an_end_of_sequence_ends_an_answer_and_stays_in_it(self, base: Base) -> None:
        (plain,) = Sampler(base).generate([Request(PROMPT, None, 0, FREE)])
        stop = plain.token_ids[6]
        first = plain.token_ids.index(stop)
        sampler = Sampler(replace(base, eos_ids=frozenset({stop})))
        (row,) = sampler.generate([Request(PROMPT, None, 0, FREE)])
        assert row.token_ids == plain.token_ids[: first + 1]
        assert row.finish_reason is FinishReason.STOP

    def test_one_token_is_an_answer_too(self, sampler: Sampler) -> None:
        (row,) = sampler.join([Request(PROMPT, None, 0, replace(FREE, max_new_tokens=1))])
        assert row.finish_reason is FinishReason.LENGTH
        assert sampler.rows == [] and sampler.step() == []

    def test_answers_come_back_in_the_order_of_the_requests(self, sampler: Sampler) -> None:
        wanted = requests(20, seed=5)
        assert [row.request for row in sampler.generate(wanted)] == wanted

    def test_reset_drops_all_rows_and_leaves_the_model_fit(self, sampler: Sampler) -> None:
        request = Request(PROMPT, "v1", 0, FREE)
        expected = result(sampler.generate([request])[0])
        sampler.join([request])
        sampler.step()
        sampler.reset()
        assert sampler.free == sampler.max_rows
        assert result(sampler.generate([request])[0]) == expected


class TestRefusals:
    def test_rows_that_join_together_share_prompt_and_adapter(self, sampler: Sampler) -> None:
        one = Request(PROMPT, "v1", 0, FREE)
        for other in (replace(one, adapter="v2"), replace(one, prompt_ids=PROMPT[1:])):
            with pytest.raises(ValueError, match="share prompt and adapter"):
                sampler.join([one, other])

    def test_no_more_rows_than_there_is_room_for(self, sampler: Sampler) -> None:
        sampler.join([Request(PROMPT, None, i, FREE) for i in range(6)])
        with pytest.raises(ValueError, match="3 rows, room for 2"):
            sampler.join([Request(PROMPT, None, i, FREE) for i in range(3)])

    def test_an_adapter_in_use_is_not_unloaded(self, sampler: Sampler) -> None:
        (row,) = sampler.join([Request(PROMPT, "v1", 0, FREE)])
        with pytest.raises(ValueError, match="adapter v1 is in use"):
            sampler.unload("v1")
        sampler.leave(row)
        sampler.unload("v1")
        assert sampler.adapters == ("v2",)

    def test_an_unknown_adapter_joins_nothing(self, sampler: Sampler) -> None:
        with pytest.raises(KeyError):
            sampler.join([Request(PROMPT, "v9", 0, FREE)])
        assert sampler.rows == []
