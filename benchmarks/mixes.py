"""Preference pairs as ids, of random words: three shapes that training meets.

Knows nothing of models; `vocabulary` bounds the ids.
"""

import math
import random
from collections.abc import Callable

from benchmarks.models import BOS, EOS, FIRST_ID
from trainer.forward.encoding import TokenPair

Lengths = tuple[int, int, int]


def long_prompts(_: random.Random) -> Lengths:
    """256 tokens of prompt, 64 of each answer."""
    return 256, 64, 64


def long_answers(_: random.Random) -> Lengths:
    """32 tokens of prompt, 128 of each answer."""
    return 32, 128, 128


def chat(source: random.Random) -> Lengths:
    """As in chats: log-normal prompts around 110 tokens, answers around 110 that differ by a third."""
    prompt = int(min(600, max(12, source.lognormvariate(math.log(110), 0.8))))
    answer = source.lognormvariate(math.log(110), 0.6)
    chosen, rejected = (int(min(384, max(8, answer * source.lognormvariate(0, 0.35)))) for _ in "ab")
    return prompt, chosen, rejected


MIXES: dict[str, Callable[[random.Random], Lengths]] = {
    "256/64": long_prompts,
    "32/128": long_answers,
    "chat": chat,
}


def random_pairs(mix: str, count: int, *, vocabulary: int, seed: int) -> list[TokenPair]:
    """So many pairs of a mix; the same arguments give the same pairs."""
    source = random.Random(f"{mix}/{seed}")

    def ids(length: int) -> tuple[int, ...]:
        return tuple(source.randrange(FIRST_ID, vocabulary) for _ in range(length))

    pairs = []
    for _ in range(count):
        prompt, chosen, rejected = MIXES[mix](source)
        pairs.append(TokenPair((BOS, *ids(prompt - 1)), (*ids(chosen - 1), EOS), (*ids(rejected - 1), EOS)))
    return pairs
