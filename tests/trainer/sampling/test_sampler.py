"""The sampler: right tokens, right log-probs, and the same bits in any company."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    GraniteConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from data.errors import PromptError
from data.records import FinishReason, Sampling
from tests.trainer.plainly import greedy
from tests.trainer.scene import EOS, as_peft, random_lora
from trainer.model.adapter import Adapter
from trainer.model.base import Base, load_base
from trainer.sampling.row_attention import RowCache
from trainer.sampling.sampler import Request, SampledRow, Sampler

PROMPT = tuple(range(20, 33))
GREEDY = Sampling(temperature=0.0, top_p=1.0, max_new_tokens=24)
FREE = Sampling(temperature=1.0, top_p=1.0, max_new_tokens=24)


def result(row: SampledRow) -> tuple[list[int], list[float], FinishReason | None]:
    return row.token_ids, row.logprobs, row.finish_reason


def served(sampler: Sampler, wanted: Sequence[Request]) -> list[SampledRow]:
    """Rows as a server draws them: each joins as soon as there is room, and leaves when it is done."""
    rows = []
    for request in wanted:
        while not sampler.free:
            sampler.step()
        rows += sampler.join([request])
    while sampler.rows:
        sampler.step()
    return rows


def requests(count: int, *, seed: int, vocabulary: int = 190) -> list[Request]:
    """Random prompts, versions and ways of sampling."""
    source = random.Random(seed)
    return [
        Request(
            tuple(source.randrange(6, vocabulary) for _ in range(source.randrange(1, 40))),
            source.choice([None, "v1", "v2"]),
            i,
            Sampling(
                temperature=source.choice([0.0, 0.7, 1.0]),
                top_p=source.choice([0.5, 0.95, 1.0]),
                max_new_tokens=source.randrange(1, 30),
                top_k=source.choice([0, 0, 5]),
                repetition_penalty=source.choice([1.0, 1.0, 1.3]),
            ),
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
    logits: Tensor = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
    return logits


class TestAgainstTransformers:
    @pytest.mark.parametrize("length", [1, 13, 60])
    def test_greedy_is_that_of_generate_token_for_token(self, sampler: Sampler, model_dir: Path, length: int) -> None:
        prompt = tuple(range(20, 20 + length))
        (row,) = sampler.generate([Request(prompt, None, 0, GREEDY)])
        assert row.token_ids == greedy(load_base(str(model_dir)).model, prompt, 24)

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
        oracle = greedy(model, PROMPT, 24)
        sampler = Sampler(replace(base, model=model))
        (row,) = sampler.generate([Request(PROMPT, None, 0, GREEDY)])
        assert row.token_ids == oracle

    @pytest.mark.parametrize("penalty", [0.7, 1.2, 3.0])
    def test_greedy_with_a_repetition_penalty_is_that_of_generate(
        self, sampler: Sampler, model_dir: Path, penalty: float
    ) -> None:
        (row,) = sampler.generate([Request(PROMPT, None, 0, replace(GREEDY, repetition_penalty=penalty))])
        oracle = greedy(load_base(str(model_dir)).model, PROMPT, 24, repetition_penalty=penalty)
        assert row.token_ids == oracle

    def test_logprobs_are_those_of_the_version_at_temperature_1(
        self, sampler: Sampler, model_dir: Path, adapters: dict[str, Adapter]
    ) -> None:
        sampling = Sampling(temperature=0.6, top_p=0.8, max_new_tokens=24, top_k=40, repetition_penalty=1.2)
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
        together = [result(row) for row in served(sampler, wanted)]
        alone = [result(served(sampler, [request])[0]) for request in wanted]
        assert together == alone

    def test_in_another_order_too(self, sampler: Sampler) -> None:
        wanted = requests(30, seed=1)
        expected = [result(row) for row in served(sampler, wanted)]
        order = list(range(30))
        random.Random(2).shuffle(order)
        shuffled = served(sampler, [wanted[i] for i in order])
        assert {i: result(row) for i, row in zip(order, shuffled, strict=True)} == dict(enumerate(expected))

    @pytest.mark.parametrize("family", [LlamaConfig, GraniteConfig])
    def test_at_a_width_where_kernels_differ_by_shape(
        self, base: Base, family: type[LlamaConfig | GraniteConfig]
    ) -> None:
        """Tiny matrices may take one path whatever the batch; these are of the built-in model's size.

        Granite is no Llama to the sampler: its steps go through transformers.
        """
        torch.manual_seed(0)
        config = family(
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=6,
            num_key_value_heads=3,
            vocab_size=1500,
            max_position_embeddings=256,
        )
        sampler = Sampler(replace(base, model=AutoModelForCausalLM.from_config(config).eval()))
        for seed, name in enumerate(("v1", "v2")):
            sampler.load(name, random_lora(sampler.base.model, seed=seed, rank=16, size=0.05))
        wanted = requests(24, seed=3, vocabulary=1500)
        together = [result(row) for row in served(sampler, wanted)]
        assert together == [result(served(sampler, [request])[0]) for request in wanted]

    def test_company_changes_no_bit_where_caches_grow(self, sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
        wanted = requests(24, seed=11)
        at_once = [result(row) for row in served(sampler, wanted)]
        monkeypatch.setattr("trainer.sampling.row_attention._BLOCK", 8)
        together = [result(row) for row in served(sampler, wanted)]
        assert together == [result(served(sampler, [request])[0]) for request in wanted]
        assert [tokens for tokens, *_ in together] == [tokens for tokens, *_ in at_once]

    def test_two_answers_of_one_prefill_equal_two_separate_ones(self, sampler: Sampler) -> None:
        short = replace(FREE, max_new_tokens=9)
        pair = [Request(PROMPT, "v1", 1, FREE), Request(PROMPT, "v1", 2, short)]
        joined = sampler.join(pair)
        while sampler.rows:
            sampler.step()
        assert [result(row) for row in joined] == [result(served(sampler, [request])[0]) for request in pair]

    def test_a_neighbour_that_leaves_changes_nothing(self, sampler: Sampler) -> None:
        request = Request(PROMPT, "v2", 4, FREE)
        expected = result(served(sampler, [request])[0])
        (neighbour,) = sampler.join([Request((50, 51), None, 9, FREE)])
        (row,) = sampler.join([request])
        sampler.step()
        sampler.leave(neighbour)
        while sampler.rows:
            sampler.step()
        assert result(row) == expected

    def test_a_version_loaded_meanwhile_changes_nothing(self, sampler: Sampler, adapters: dict[str, Adapter]) -> None:
        request = Request(PROMPT, "v2", 4, FREE)
        expected = result(served(sampler, [request])[0])
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


class TestLength:
    @pytest.mark.parametrize(("prompt", "setting", "length"), [(13, None, 40), (490, None, 22), (490, 9, 9)])
    def test_an_answer_that_does_not_end_is_cut_off_at_its_limit(
        self, base: Base, prompt: int, setting: int | None, length: int
    ) -> None:
        sampler = Sampler(replace(base, eos_ids=frozenset(), longest_answer=40))
        ids = tuple(20 + i % 100 for i in range(prompt))
        (row,) = sampler.generate([Request(ids, None, 0, Sampling(max_new_tokens=setting))])
        assert (len(row.token_ids), row.limit, row.finish_reason) == (length, length, FinishReason.LENGTH)

    def test_a_prompt_that_leaves_no_room_is_refused_and_others_go_on(self, sampler: Sampler) -> None:
        expected = result(served(sampler, [Request(PROMPT, None, 1, FREE)])[0])
        (row,) = sampler.join([Request(PROMPT, None, 1, FREE)])
        with pytest.raises(PromptError):
            sampler.join([Request((20,) * sampler.base.context, None, 0, FREE)])
        while sampler.rows:
            sampler.step()
        assert result(row) == expected


class TestACall:
    """`generate`: all of a list to its end."""

    def test_each_answer_that_ends_is_told_also_with_adapters_folded_as_they_come(self, sampler: Sampler) -> None:
        wanted = requests(30, seed=6)
        ended: list[None] = []
        drawn = sampler.generate(wanted, refold=True, ended=lambda: ended.append(None))
        assert len(ended) == len(drawn) == 30
        for row, plainly in zip(drawn, sampler.generate(wanted), strict=True):
            same = sum(a == b for a, b in zip(row.token_ids, plainly.token_ids, strict=False))
            assert same >= 1
            assert row.logprobs[0] == pytest.approx(plainly.logprobs[0], abs=1e-4)

    def test_of_many_versions_it_draws_the_bits_that_a_server_draws(self, sampler: Sampler) -> None:
        wanted = requests(30, seed=6)
        assert [result(row) for row in sampler.generate(wanted)] == [result(row) for row in served(sampler, wanted)]

    def test_of_one_version_it_draws_the_same_but_for_rounding(self, sampler: Sampler) -> None:
        wanted = [replace(request, adapter="v1") for request in requests(30, seed=7)]
        for row, other in zip(sampler.generate(wanted), served(sampler, wanted), strict=True):
            assert row.token_ids == other.token_ids
            assert row.logprobs == pytest.approx(other.logprobs, abs=1e-4)

    def test_of_one_version_order_and_company_change_no_bit(self, sampler: Sampler) -> None:
        wanted = [replace(request, adapter="v1") for request in requests(20, seed=8)]
        expected = [result(row) for row in sampler.generate(wanted)]
        assert [result(row) for row in reversed(sampler.generate(wanted[::-1]))] == expected
        assert [result(sampler.generate([request])[0]) for request in wanted] == expected

    def test_a_prompt_is_read_once_for_all_its_samples(self, sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[tuple[int, ...]] = []
        original = sampler._model.read

        def counting(ids: Sequence[int], *args: Any, **kwargs: Any) -> Tensor:
            read.append(tuple(ids))
            return original(ids, *args, **kwargs)

        monkeypatch.setattr(sampler._model, "read", counting)
        other = PROMPT[::-1]
        wanted = [Request(PROMPT, "v1", seed, FREE) for seed in range(2 * sampler.max_rows + 3)]
        wanted.insert(5, Request(other, "v1", 0, FREE))
        rows = sampler.generate(wanted)
        assert read == [PROMPT, other]
        assert [row.request for row in rows] == wanted
        assert len({tuple(row.token_ids) for row in rows}) == len(wanted)

    def test_samples_of_one_prefill_equal_those_of_their_own(self, sampler: Sampler) -> None:
        wanted = [Request(PROMPT, "v2", seed, replace(FREE, max_new_tokens=4 + seed)) for seed in range(12)]
        assert [result(row) for row in sampler.generate(wanted)] == [
            result(sampler.generate([request])[0]) for request in wanted
        ]

    def test_a_row_that_ends_makes_room_at_once(self, sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
        """One long answer and 14 short ones in eight rows: the short ones take turns beside the long one."""
        steps: list[int] = []
        original = sampler._model.decode

        def decode(tokens: Sequence[int], *rest: Any) -> Tensor:
            steps.append(len(tokens))
            return original(tokens, *rest)

        monkeypatch.setattr(sampler._model, "decode", decode)
        short = [Request(PROMPT, None, seed, replace(FREE, max_new_tokens=5)) for seed in range(14)]
        sampler.generate([Request(PROMPT, None, 99, FREE), *short])
        assert len(steps) == 24 - 1

    def test_fresh_weights_under_an_old_name_are_used(self, sampler: Sampler, adapters: dict[str, Adapter]) -> None:
        request = Request(PROMPT, "v1", 0, GREEDY)
        second = result(sampler.generate([replace(request, adapter="v2")])[0])
        assert result(sampler.generate([request])[0]) != second
        sampler.unload("v1")
        sampler.load("v1", adapters["v2"])
        assert result(sampler.generate([request])[0]) == second

    def test_weights_that_train_on_after_loading_change_nothing(
        self, sampler: Sampler, adapters: dict[str, Adapter]
    ) -> None:
        request = Request(PROMPT, "v1", 0, GREEDY)
        expected = result(sampler.generate([request])[0])
        for lora in adapters["v1"].layers.values():
            lora.up.add_(1.0)
        assert result(sampler.generate([request])[0]) == expected


class TestAGuest:
    """The model belongs to others too: between two calls it is as it was."""

    @pytest.fixture
    def model(self, sampler: Sampler) -> PreTrainedModel:
        sampler.base.model.set_attn_implementation("eager")
        return sampler.base.model

    @torch.no_grad()
    def logits(self, model: PreTrainedModel) -> Tensor:
        logits: Tensor = model(input_ids=torch.tensor([PROMPT]), use_cache=False).logits
        return logits

    def test_others_see_the_bare_base_with_their_own_attention(
        self, sampler: Sampler, model: PreTrainedModel, model_dir: Path
    ) -> None:
        untouched = load_base(str(model_dir)).model
        untouched.set_attn_implementation("eager")
        sampler.generate([Request(PROMPT, "v1", 0, FREE)])
        sampler.join([Request(PROMPT, "v2", 0, FREE)])
        sampler.step()
        assert model.config._attn_implementation == "eager"
        assert torch.equal(self.logits(model), self.logits(untouched))
        weights = zip(model.parameters(), untouched.parameters(), strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in weights)

    @pytest.mark.parametrize("where", ["read", "decode", "_forward"])
    def test_after_an_exception_too(
        self, sampler: Sampler, model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, where: str
    ) -> None:
        wanted = [Request(PROMPT, "v1", seed, FREE) for seed in range(3)]
        before = self.logits(model)
        expected = [result(row) for row in sampler.generate(wanted)]
        calls = iter([False, False, True])
        original = getattr(sampler._model, where)

        def failing(*args: Any, **kwargs: Any) -> Any:
            if next(calls):
                raise MemoryError
            return original(*args, **kwargs)

        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(sampler._model, where, failing)
            sampler.generate(
                [*wanted, replace(wanted[0], prompt_ids=PROMPT[1:]), replace(wanted[0], prompt_ids=PROMPT[2:])]
            )
        sampler.reset()
        assert torch.equal(self.logits(model), before)
        served_now = [result(row) for row in served(sampler, wanted)]
        assert [result(row) for row in sampler.generate(wanted)] == expected
        assert [tokens for tokens, _, _ in served_now] == [tokens for tokens, _, _ in expected]

    def test_a_failure_within_a_layer_leaves_nothing_in_the_model(
        self, sampler: Sampler, model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = self.logits(model)
        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(RowCache, "put", lambda *_: (_ for _ in ()).throw(MemoryError()))
            sampler.join([Request(PROMPT, "v1", 0, FREE)])
        assert model.config._attn_implementation == "eager"
        assert torch.equal(self.logits(model), before)


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

    def test_a_stop_string_ends_an_answer_and_its_tokens_stay_in_it(self, base: Base) -> None:
        (plain,) = Sampler(base).generate([Request(PROMPT, None, 0, FREE)])
        text = str(base.tokenizer.decode(plain.token_ids))
        stop = text[len(text) // 2 :][:3]
        stopped = base.under(base.format.model_copy(update={"stop": (stop,)}))
        (row,) = Sampler(stopped).generate([Request(PROMPT, None, 0, FREE)])
        first = next(n for n in range(25) if stop in base.tokenizer.decode(plain.token_ids[:n]))
        assert row.token_ids == plain.token_ids[:first]
        assert row.finish_reason is FinishReason.STOP
        assert stopped.text(row.token_ids) == text[: text.index(stop)].strip()

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


def test_an_answer_that_has_ended_holds_no_keys_and_values(base: Base) -> None:
    [row] = Sampler(base).generate([Request(PROMPT, None, 0, GREEDY)])

    assert row.finish_reason is not None
    assert row.cache is None
