"""The sampler against transformers' own ways to sample, in tokens a second.

    python -m benchmarks.sampler [--quick] --json FILE

Two cases, on random Llamas (benchmarks/models.py), float32 (on a GPU bfloat16), top-p 0.95, 96 new tokens for every
answer (nothing ends early), a LoRA of rank 16 on all linear modules:

  two answers   one prompt of 128 tokens, one pair, as the feeder asks for it
  16 prompts    of 64 to 192 tokens, one answer each, as 16 annotators would ask at once

Ours is a server's sampler: `join` and `step`, adapters beside the weights, 8 rows (the default of `max_rows`) or
16; and, for a trainer's rollouts, `generate` with the adapter folded in. Runs alternate, each peer right after one
of ours; a ratio is the median over the repeats of peer's time / ours.
"""

import argparse
import itertools
import json
import logging
import random
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from benchmarks.models import EOS, FIRST_ID, PAD, SIZES, random_adapter, random_base
from data.records import Sampling
from trainer.model.adapter import Adapter
from trainer.model.base import Base
from trainer.sampling.sampler import Request, Sampler

TOP_P = 0.95
RANK = 16

_Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison: medians over the repeats, in tokens a second and as a ratio of times."""

    model: str
    case: str
    peer: str
    speed_ratio: float
    tokens_per_second: float
    peer_tokens_per_second: float
    repeats: int


def main() -> None:
    """Measure, print a table, write the rows."""
    parser = argparse.ArgumentParser(description="tokens a second: prefloop's sampler against transformers")
    parser.add_argument("--quick", action="store_true", help="24 new tokens, one repeat")
    parser.add_argument("--models", help="some of them, with commas; else 5M and 50M, on a GPU 500M wide")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="where the rows go")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)  # peft asks transformers by an old name
    logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)
    results: list[Result] = []
    for size in (
        given.models.split(",") if given.models else ["500M wide"] if torch.cuda.is_available() else ["5M", "50M"]
    ):
        torch.set_num_threads(SIZES[size].threads)
        results += measure(size, tokens=24 if given.quick else 96, repeats=1 if given.quick else 3)
        given.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    show(results)


def measure(size: str, *, tokens: int, repeats: int) -> list[Result]:
    """Both cases on one model."""
    base = replace(random_base(size), eos_ids=frozenset())
    if torch.cuda.is_available():
        torch.nn.Module.to(base.model, "cuda", torch.bfloat16)
    adapter = random_adapter(base, rank=RANK)
    ours, peers = Ours(base, adapter, tokens), Peers(base, adapter, tokens)
    pair = [prompt_of(128, seed=0)] * 2
    source = random.Random(1)
    prompts = [prompt_of(source.randrange(64, 193), seed=1 + i) for i in range(16)]
    for run in (peers.per_answer, peers.padded, peers.continuous):  # the first of everything takes longer
        run(pair)
    for rows in (8, 16):
        ours.served(rows, pair)
    two = compare(
        {"two answers, 8 rows": lambda: ours.served(8, pair)},
        {"generate per answer": lambda: peers.per_answer(pair)},
        3 * repeats,
    )
    many = compare(
        {
            "16 prompts, 8 rows": lambda: ours.served(8, prompts),
            "16 prompts, 16 rows": lambda: ours.served(16, prompts),
            "16 prompts, 16 rows, rollout": lambda: ours.rolled_out(16, prompts),
        },
        {
            "generate per answer": lambda: peers.per_answer(prompts),
            "generate, batch padded left": lambda: peers.padded(prompts),
            "generate_batch (continuous), no adapter": lambda: peers.continuous(prompts),
        },
        repeats,
    )
    return [
        Result(
            model=size,
            case=case,
            peer=peer,
            speed_ratio=statistics.median(theirs / mine for mine, theirs in times),
            tokens_per_second=statistics.median(count * tokens / mine for mine, _ in times),
            peer_tokens_per_second=statistics.median(count * tokens / theirs for _, theirs in times),
            repeats=len(times),
        )
        for count, found in ((2, two), (len(prompts), many))
        for (case, peer), times in found.items()
    ]


def compare(
    ours: dict[str, _Run], peers: dict[str, _Run], repeats: int
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Seconds of ours and of the peer, by case and peer: every way of ours right before every peer, in turns."""
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for peer, theirs in peers.items():
            mine = {case: seconds(run) for case, run in ours.items()}
            took = seconds(theirs)
            for case, own in mine.items():
                times.setdefault((case, peer), []).append((own, took))
    return times


def seconds(run: _Run) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


class Ours:
    """The sampler, as a server and as a trainer use it."""

    def __init__(self, base: Base, adapter: Adapter, tokens: int) -> None:
        self._adapter = adapter
        self._samplers = {rows: Sampler(base, max_rows=rows, max_rank=RANK) for rows in (8, 16)}
        for sampler in self._samplers.values():
            sampler.load("v1", adapter)
        self._sampling = Sampling(temperature=1.0, top_p=TOP_P, max_new_tokens=tokens)

    def served(self, max_rows: int, prompts: Sequence[tuple[int, ...]]) -> None:
        """Every prompt's answers join as soon as there is room, the adapter beside the weights."""
        sampler = self._samplers[max_rows]
        waiting = [list(group) for _, group in itertools.groupby(self._requests(prompts), lambda r: r.prompt_ids)]
        while waiting or sampler.rows:
            while waiting and len(waiting[0]) <= sampler.free:
                sampler.join(waiting.pop(0))
            sampler.step()

    def rolled_out(self, max_rows: int, prompts: Sequence[tuple[int, ...]]) -> None:
        """All in one call, with weights that are fresh each time, as in PPO."""
        sampler = self._samplers[max_rows]
        sampler.unload("v1")
        sampler.load("v1", self._adapter)
        sampler.generate(self._requests(prompts))

    def _requests(self, prompts: Sequence[tuple[int, ...]]) -> list[Request]:
        return [Request(prompt, "v1", seed, self._sampling) for seed, prompt in enumerate(prompts)]


class Peers:
    """transformers, with the adapter in peft's hands."""

    def __init__(self, base: Base, adapter: Adapter, tokens: int) -> None:
        self._bare: Any = deepcopy(base.model)
        config = LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules="all-linear")
        self._adapted: Any = get_peft_model(deepcopy(base.model), config).eval()
        inner: Any = self._adapted.base_model.model
        modules = dict(inner.named_modules())
        for name, lora in adapter.layers.items():
            modules[f"{name}.lora_A.default"].weight.data.copy_(lora.down)
            modules[f"{name}.lora_B.default"].weight.data.copy_(lora.up)
        self._how: Any = GenerationConfig(
            do_sample=True,
            temperature=1.0,
            top_p=TOP_P,
            top_k=0,
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            pad_token_id=PAD,
            eos_token_id=EOS,
        )

    def per_answer(self, prompts: Sequence[tuple[int, ...]]) -> None:
        """One call an answer."""
        for prompt in prompts:
            ids = torch.tensor([prompt], device=self._bare.device)
            self._generate(ids, torch.ones_like(ids))

    def padded(self, prompts: Sequence[tuple[int, ...]]) -> None:
        """One call for all, shorter prompts padded on the left."""
        longest = max(map(len, prompts))
        padded = [(PAD,) * (longest - len(prompt)) + prompt for prompt in prompts]
        ids = torch.tensor(padded, device=self._bare.device)
        self._generate(ids, (ids != PAD).long())

    def continuous(self, prompts: Sequence[tuple[int, ...]]) -> None:
        """transformers' continuous batching, its manager and cache kept from call to call; it takes no adapter."""
        endless = deepcopy(self._how)
        endless.eos_token_id, endless.min_new_tokens = -1, None  # it knows no minimum
        found = self._bare.generate_batch(
            inputs=[list(prompt) for prompt in prompts],
            generation_config=endless,
            continuous_batching_config=ContinuousBatchingConfig(num_blocks=64, max_batch_tokens=512),
            persistent_manager=True,
            warmup=False,  # captures CUDA graphs
        )
        if any(len(answer.generated_tokens) != self._how.max_new_tokens for answer in found.values()):
            raise RuntimeError("continuous batching ended an answer early")

    def _generate(self, ids: Tensor, mask: Tensor) -> None:
        found = self._adapted.generate(input_ids=ids, attention_mask=mask, generation_config=self._how)
        if found.shape[1] != ids.shape[1] + self._how.max_new_tokens:
            raise RuntimeError("generate ended an answer early")


def prompt_of(length: int, *, seed: int) -> tuple[int, ...]:
    """Random ids, none special, in both models' vocabularies."""
    source = random.Random(seed)
    return tuple(source.randrange(FIRST_ID, SIZES["5M"].vocabulary) for _ in range(length))


def show(results: Sequence[Result]) -> None:
    """Print the table."""
    table = Table("model", "case", "against", "ours, tokens/s", "theirs", "ratio")
    for r in results:
        figures = f"{r.tokens_per_second:.0f}", f"{r.peer_tokens_per_second:.0f}", f"{r.speed_ratio:.1f}"
        table.add_row(r.model, r.case, r.peer, *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
