"""What a training benchmark trains on: a model and pairs that fit it, random ones or real ones.

Pairs are the same for the same arguments, so that every contender's process makes its own.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.mixes import random_pairs
from benchmarks.models import SIZES, random_base
from data.formats.preference_file import read_preferences
from trainer.forward.encoding import Encoder, TokenPair
from trainer.interface.snapshot import lines_of_examples
from trainer.model.base import Base, load_base

_PAIRS_SEED = 1


class Workload(Protocol):
    """A model by its name, pairs by theirs, and the torch threads that suit the model."""

    @property
    def model(self) -> str:
        """The model's name."""

    @property
    def mix(self) -> str:
        """The name of the pairs."""

    @property
    def threads(self) -> int:
        """Torch threads."""

    def base(self) -> Base:
        """The frozen model, on the CPU in float32."""

    def pairs(self, base: Base, count: int) -> list[TokenPair]:
        """So many pairs, in the order they are trained on."""


@dataclass(frozen=True, slots=True)
class RandomWorkload:
    """A random Llama of one of SIZES, and pairs of random words of one of MIXES."""

    model: str
    mix: str

    @property
    def threads(self) -> int:
        """See Workload.threads."""
        return SIZES[self.model].threads

    def base(self) -> Base:
        """See Workload.base."""
        return random_base(self.model)

    def pairs(self, base: Base, count: int) -> list[TokenPair]:
        """See Workload.pairs."""
        return random_pairs(self.mix, count, vocabulary=SIZES[self.model].vocabulary, seed=_PAIRS_SEED)


@dataclass(frozen=True, slots=True)
class RealWorkload:
    """A model as `--model` takes it, and pairs of a preference file, drawn by chance without repetition."""

    model: str
    file: Path
    threads: int = 1

    @property
    def mix(self) -> str:
        """See Workload.mix."""
        return self.file.stem

    def base(self) -> Base:
        """See Workload.base."""
        return load_base(self.model)

    def pairs(self, base: Base, count: int) -> list[TokenPair]:
        """See Workload.pairs."""
        lines = lines_of_examples(read_preferences(self.file).pairs, [], heldout_share=0.0, excluded={})
        known = Encoder(base, max_tokens=None).pairs(lines.train)
        return random.Random(_PAIRS_SEED).sample(known, count)
