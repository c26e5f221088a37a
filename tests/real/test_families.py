"""A family beyond Llama's for real: Gemma 3, whose windows and wide vocabulary no tiny model has at their size."""

from pathlib import Path

import pytest

from trainer.forward.probe import choose_forward
from trainer.model.base import load_base
from trainer.sampling.sampler import Sampler

pytestmark = pytest.mark.real


def test_gemma_3_takes_the_fast_ways(gemma3: Path) -> None:
    base = load_base(str(gemma3))
    assert Sampler(base).way == "fast, all rows together by transformers' forward pass"
    assert choose_forward(base.model).reason == "packed"
