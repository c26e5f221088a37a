"""An estimate of memory, against counts made another way."""

from pathlib import Path

import psutil
import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.trainer.scene import freeze
from trainer.forward.activation_count import Activations
from trainer.interface.config import DPOConfig, KTOConfig, PPOConfig
from trainer.interface.memory_use import MemoryUse
from trainer.interface.round_dir import RoundDir
from trainer.model.base import Base, load_base
from trainer.preflight.memory_estimate import MemoryEstimate, free_bytes

GIB = 2**30
BYTE = Activations(linear=1.0, square=0.0, inputs=0.1, layers=2, passing=0)  # a token a byte


KINDS: dict[object, type[DPOConfig | KTOConfig | PPOConfig]] = {"dpo": DPOConfig, "kto": KTOConfig, "ppo": PPOConfig}


def directory(tmp_path: Path, base: Base, **config: object) -> RoundDir:
    given = {"rank": 4, "alpha": 8, "batch_size": 4, "gradient_checkpointing": False, **config}
    kinds: dict[object, type[DPOConfig | KTOConfig | PPOConfig]] = {
        "dpo": DPOConfig,
        "kto": KTOConfig,
        "ppo": PPOConfig,
    }
    kind = kinds[config.get("algorithm", "dpo")]
    return freeze(tmp_path / "round", base, config=kind.model_validate(given))


def estimate(directory: RoundDir, base: Base, *, free: int = 16 * GIB) -> MemoryEstimate:
    return MemoryEstimate.of(directory, base, BYTE, free=free)


def sizes(directory: RoundDir, base: Base) -> list[int]:
    """Packed tokens of each pair, by its own ids."""
    ids = [(pair.chosen.token_ids or (), pair.rejected.token_ids or ()) for pair in directory.pairs()]
    prompts = [base.encode(pair.prompt) for pair in directory.pairs()]
    return [len(prompt) + len(a) + len(b) for prompt, (a, b) in zip(prompts, ids, strict=True)]


def test_the_weights_are_those_of_the_safetensors_file(base: Base, model_dir: Path, tmp_path: Path) -> None:
    found = estimate(directory(tmp_path, base), base)
    size = (model_dir / "model.safetensors").stat().st_size
    assert found.weights == pytest.approx(size, rel=0.05)


def test_the_adapter_is_pefts_with_gradients_and_two_moments(base: Base, model_dir: Path, tmp_path: Path) -> None:
    found = estimate(directory(tmp_path, base), base)
    model = load_base(str(model_dir)).model
    model.train()
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    adapter, _ = get_peft_model(model, config).get_nb_trainable_parameters()
    assert found.adapter == 16 * adapter


def test_the_largest_pass_is_a_whole_batch_where_the_budget_holds_it(base: Base, tmp_path: Path) -> None:
    round_ = directory(tmp_path, base, batch_size=100)
    assert estimate(round_, base).activations == sum(sizes(round_, base))


def test_it_is_the_budget_or_the_longest_pair_where_it_does_not(base: Base, tmp_path: Path) -> None:
    round_ = directory(tmp_path, base, batch_size=100, token_budget=70)
    longest = max(sizes(round_, base))
    assert longest <= estimate(round_, base).activations <= max(70, longest)


def test_ratings_are_counted_one_by_one(base: Base, tmp_path: Path) -> None:
    pairs = directory(tmp_path / "a", base, batch_size=100)
    ratings = directory(tmp_path / "b", base, batch_size=100, algorithm="kto")
    answers = sum(len(pair.chosen.token_ids or ()) + len(pair.rejected.token_ids or ()) for pair in pairs.pairs())
    prompts = sum(sizes(pairs, base)) - answers
    assert estimate(ratings, base).activations == 2 * prompts + answers


def test_what_ppo_will_sample_is_taken_for_as_long_as_the_longest(base: Base, tmp_path: Path) -> None:
    round_ = directory(tmp_path, base, algorithm="ppo", batch_size=16)
    assert estimate(round_, base).activations == 16 * max(sizes(round_, base))


def test_recomputing_takes_less(base: Base, tmp_path: Path) -> None:
    kept = estimate(directory(tmp_path / "a", base, batch_size=100, gradient_checkpointing=False), base)
    again = estimate(directory(tmp_path / "b", base, batch_size=100, gradient_checkpointing=True), base)
    assert kept.weights == again.weights
    assert again.activations != kept.activations
    assert "computed twice" in str(again) and "computed twice" not in str(kept)


def test_only_what_fits_is_counted(base: Base, tmp_path: Path) -> None:
    whole = directory(tmp_path / "a", base, token_budget=1)
    short = directory(tmp_path / "b", base, token_budget=1, max_tokens=16)
    assert estimate(whole, base).activations == max(sizes(whole, base))
    assert 0 < estimate(short, base).activations < max(sizes(whole, base))


def test_what_an_earlier_try_was_killed_for_is_not_taken_again(base: Base, tmp_path: Path) -> None:
    round_ = directory(tmp_path, base, batch_size=100)
    killed = MemoryUse(token_budget=256, recompute_above=None, kills=3)
    round_.set_memory(killed)
    found = estimate(round_, base)
    assert found.use.token_budget == 256
    assert found.activations <= 256 < sum(sizes(round_, base))


def test_what_is_free_on_the_cpu_is_some_of_what_there_is() -> None:
    assert 0 < free_bytes(torch.device("cpu")) < psutil.virtual_memory().total


def test_an_example_that_is_longer_than_the_budget_is_estimated_as_computed_twice(base: Base, tmp_path: Path) -> None:
    round_ = directory(tmp_path, base, token_budget=1, gradient_checkpointing=None)
    longest = max(sizes(round_, base))
    assert estimate(round_, base).activations == BYTE.of([longest], again=True)
