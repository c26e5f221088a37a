"""How long a model's sequences may be, by whatever says it."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.trainer.families import config_of
from trainer.model.context import WITHOUT_POSITIONS, context_length


@pytest.fixture
def tokenizer(model_dir: Path) -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(model_dir)
    return found


@pytest.mark.parametrize("family", ["Llama", "GPT-2", "MPT", "RWKV"])
def test_the_config_says_it_under_the_names_of_its_family(family: str, tokenizer: PreTrainedTokenizerBase) -> None:
    assert context_length(config_of(family), tokenizer) == 256


@pytest.mark.parametrize("family", ["Bloom", "Mamba"])
def test_a_model_without_positions_reads_what_its_tokenizer_says(
    family: str, tokenizer: PreTrainedTokenizerBase
) -> None:
    assert context_length(config_of(family), tokenizer) == WITHOUT_POSITIONS
    tokenizer.model_max_length = 1000
    assert context_length(config_of(family), tokenizer) == 1000
