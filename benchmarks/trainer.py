"""Our DPO step against TRL's: the same model, LoRA, pairs and optimiser; pairs/s, peak memory, loss.

    python -m benchmarks.trainer [--quick] [--json FILE]
    python -m benchmarks.trainer --real MODEL --pairs FILE [--batch N] [--turns N] [--json FILE]

Every contender is a process of its own. All take the same batch, one after the other, in turns that change
direction; a ratio is the median over the turns of TRL's seconds by ours. Peak memory is what a process held at
most, less what it held before its first step (model, libraries); on a GPU what torch allocated.
"""

import argparse
import gc
import json
import logging
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.mixes import MIXES
from benchmarks.models import random_adapter
from benchmarks.workloads import RandomWorkload, RealWorkload, Workload
from trainer.algorithms.dpo import PreferenceObjective
from trainer.algorithms.optimizer import LoraOptimizer
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Packed
from trainer.forward.reference import ReferenceLogps, group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import DPOConfig
from trainer.model.base import Base
from trainer.model.policy import Policy

BETA, RATE = 0.1, 1e-5
OURS = "prefloop"
Step = Callable[[Sequence[TokenPair]], float]


@dataclass(frozen=True, slots=True)
class Case:
    """What all contenders train on."""

    work: Workload
    dtype: str
    batch: int
    turns: int
    sort: bool = False

    @property
    def name(self) -> str:
        """The mix, and whether its batches hold pairs of like length."""
        return f"{self.work.mix}, sorted" if self.sort else self.work.mix

    def batches(self, base: Base) -> list[list[TokenPair]]:
        """One batch a turn, and one to warm up on."""
        pairs = self.work.pairs(base, self.batch * (self.turns + 1))
        if self.sort:
            pairs.sort(key=lambda pair: pair.tokens)
        return [pairs[at : at + self.batch] for at in range(0, len(pairs), self.batch)]

    def base(self) -> Base:
        """The frozen model on the device there is."""
        base = self.work.base()
        torch.nn.Module.to(base.model, _device(), getattr(torch, self.dtype))
        return base


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of one contender."""

    seconds: float
    loss: float
    memory_mb: float
    reference_seconds: float


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to run TRL. best: reference log-probs precomputed, no activation checkpointing."""

    name: str
    best: bool


PEERS = (Peer("TRL default", best=False), Peer("TRL best", best=True))


def ours(case: Case, base: Base) -> tuple[Step, Step]:
    """Our step, and the pass that gives a batch's reference log-probs, which `trainer.round` makes before."""
    policy = Policy.from_base(base, rank=16, alpha=32, seed=0)
    _fill(policy)
    budget = TokenBudget(8192, print)
    config = DPOConfig(beta=BETA, learning_rate=RATE, warmup=0.0)
    learner = LoraOptimizer(policy.lora.parameters, config, steps=1000, budget=budget)

    def reference(batch: Sequence[TokenPair]) -> ReferenceLogps:
        with policy.reference():
            return group_logps(policy, Packed(), [pair.group for pair in batch], budget)

    known: ReferenceLogps = {}
    for batch in case.batches(base):
        known |= reference(batch)
    objective = PreferenceObjective(policy, Packed(), config, known, None)

    def step(batch: Sequence[TokenPair]) -> float:
        return learner.learn(batch, lambda pair: pair.tokens, objective.terms)["loss"]

    return step, lambda batch: float(len(reference(batch)))


def _fill(policy: Policy) -> None:
    """Adapter weights that are not zero, the same for all."""
    layers = random_adapter(policy.base).layers
    with torch.no_grad():
        for name, lora in layers.items():
            policy.lora.parameters[f"{name}.down"].copy_(lora.down)
            policy.lora.parameters[f"{name}.up"].copy_(lora.up)


def theirs(case: Case, peer: Peer, base: Base) -> Step:
    """TRL's collator and loss on the same ids, with clipping and AdamW as its Trainer has them."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    warnings.filterwarnings("ignore")
    from datasets import Dataset, disable_progress_bars
    from peft import LoraConfig
    from trl import DPOConfig as TRLConfig
    from trl import DPOTrainer

    disable_progress_bars()
    logging.disable(logging.WARNING)

    class Trainer(DPOTrainer):
        def _prepare_dataset(self, dataset: Dataset, *_: object, **__: object) -> Dataset:
            return dataset  # ids already

    data = Dataset.from_list([_row(pair) for batch in case.batches(base) for pair in batch])
    arguments = TRLConfig(
        output_dir=str(Path(os.devnull).parent / "shm" / "prefloop-benchmark"),
        beta=BETA,
        per_device_train_batch_size=case.batch,
        activation_checkpointing=not peer.best,
        precompute_ref_log_probs=False,
        bf16=case.dtype == "bfloat16",
        max_length=None,
        use_cpu=_device().type == "cpu",
        report_to=[],
        disable_tqdm=True,
    )
    adapter = random_adapter(base)
    targets = sorted({name.rpartition(".")[2] for name in adapter.layers})
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=targets)
    trainer = Trainer(base.model, args=arguments, train_dataset=data, processing_class=base.tokenizer, peft_config=lora)
    model = trainer.model
    assert model is not None
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, weights in adapter.layers.items():
            parameters[f"base_model.model.{name}.lora_A.default.weight"].copy_(weights.down)
            parameters[f"base_model.model.{name}.lora_B.default.weight"].copy_(weights.up)
    trainable = [p for p in parameters.values() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=RATE, weight_decay=0.0)
    model.train()
    device = trainable[0].device
    if peer.best:
        known = _known_reference(trainer, case.batches(base))
        trainer.precompute_ref_logps = True

    def step(batch: Sequence[TokenPair]) -> float:
        inputs = trainer.data_collator([_row(pair) | (known[pair] if peer.best else {}) for pair in batch])
        inputs = {name: value.to(device) for name, value in inputs.items()}
        optimizer.zero_grad()
        with trainer.compute_loss_context_manager():
            loss = trainer.compute_loss(model, inputs)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        return float(loss.detach())

    return step


def _known_reference(trainer: object, batches: Sequence[Sequence[TokenPair]]) -> dict[TokenPair, dict[str, float]]:
    """ReferenceLogps log-probs by TRL's own function, as its precomputation does."""
    known = {}
    for batch in batches:
        for pair in batch:
            inputs = {name: value.to(_device()) for name, value in trainer.data_collator([_row(pair)]).items()}  # type: ignore[attr-defined]
            with torch.no_grad():
                chosen, rejected = trainer.compute_ref_log_probs(trainer.model, inputs)  # type: ignore[attr-defined]
            known[pair] = {"ref_chosen_logps": float(chosen), "ref_rejected_logps": float(rejected)}
    return known


def _row(pair: TokenPair) -> dict[str, list[int]]:
    return {
        "prompt_ids": list(pair.prompt_ids),
        "chosen_ids": list(pair.chosen_ids),
        "rejected_ids": list(pair.rejected_ids),
    }


def work(link: Connection, case: Case, peer: Peer | None) -> None:
    """A contender's process: build, warm up, then one step for every word from the other side."""
    torch.set_num_threads(case.work.threads)
    base = case.base()
    batches = case.batches(base)
    step, reference = ours(case, base) if peer is None else (theirs(case, peer, base), None)
    gc.collect()
    before = _held_mb()
    step(batches[-1])
    link.send("warm")
    while (turn := link.recv()) is not None:
        seconds, loss = _timed(step, batches[turn])
        memory = _peak_mb() - before
        link.send(Turn(seconds, loss, memory, _timed(reference, batches[turn])[0] if reference else 0.0))


def _timed(work: Step, batch: Sequence[TokenPair]) -> tuple[float, float]:
    """Seconds, and what came of it."""
    began = time.perf_counter()
    result = work(batch)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began, result


@contextmanager
def contender(case: Case, peer: Peer | None) -> Iterator[Connection]:
    """A contender in a process of its own, warm."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, case, peer), daemon=True)
    process.start()
    there.close()
    try:
        yield here
        here.send(None)
    finally:
        process.join(10)
        process.kill()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the result: TRL's seconds and memory by ours, medians over turns; how far the losses are apart.

    reference_share: what the reference pass costs, as a share of our step, once a snapshot and not once an epoch.
    """

    model: str
    mix: str
    peer: str
    dtype: str
    speed_ratio: float
    memory_ratio: float
    loss_difference: float
    pairs_per_second: float
    memory_mb: float
    reference_share: float
    device: str


def race(case: Case, peers: Sequence[Peer]) -> list[Row]:
    """All contenders on the same batches, in turns."""
    names = [OURS, *(peer.name for peer in peers)]
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    with ExitStack() as stack:
        links = {
            name: stack.enter_context(contender(case, peer)) for name, peer in zip(names, (None, *peers), strict=True)
        }
        for link in links.values():
            link.recv()  # warm
        for turn in range(case.turns):
            for name in names if turn % 2 else reversed(names):
                links[name].send(turn)
                turns[name].append(links[name].recv())
    mine = turns[OURS]
    seconds = statistics.median(turn.seconds for turn in mine)
    return [
        Row(
            model=case.work.model,
            mix=case.name,
            peer=peer.name,
            dtype=case.dtype,
            speed_ratio=statistics.median(b.seconds / a.seconds for a, b in zip(mine, turns[peer.name], strict=True)),
            memory_ratio=mine[-1].memory_mb / turns[peer.name][-1].memory_mb,
            loss_difference=max(abs(a.loss - b.loss) for a, b in zip(mine, turns[peer.name], strict=True)),
            pairs_per_second=case.batch / seconds,
            memory_mb=mine[-1].memory_mb,
            reference_share=statistics.median(turn.reference_seconds / turn.seconds for turn in mine),
            device=_device_name(),
        )
        for peer in peers
    ]


def cases(*, quick: bool) -> list[Case]:
    """What is measured: a table that fits the device."""
    if _device().type == "cuda":
        return [Case(RandomWorkload("500M", mix), "bfloat16", 16, 9) for mix in MIXES]
    small = [
        Case(RandomWorkload("5M", "256/64"), "float32", 4, 5),
        Case(RandomWorkload("5M", "32/128"), "float32", 4, 5),
        Case(RandomWorkload("5M", "chat"), "float32", 8, 3),
    ]
    if quick:
        return small
    large = [
        Case(RandomWorkload("50M", mix), kind, batch, 3)
        for kind in ("float32", "bfloat16")
        for mix, batch in (("256/64", 2), ("32/128", 2), ("chat", 4))
    ]
    return [*small, Case(RandomWorkload("5M", "chat"), "float32", 8, 3, sort=True), *large]


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"


def _held_mb() -> float:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else _status_mb("VmHWM")


def _status_mb(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def table(rows: Sequence[Row]) -> Table:
    """The rows for people."""
    out = Table(title=f"prefloop's DPO step against TRL's, {_device_name()}")
    for heading in ("model", "mix", "dtype", "peer", "speed", "memory", "loss differs", "pairs/s", "reference pass"):
        out.add_column(heading, justify="left" if heading in ("model", "mix", "dtype", "peer") else "right")
    for row in rows:
        out.add_row(
            row.model,
            row.mix,
            row.dtype,
            row.peer,
            f"{row.speed_ratio:.2f}x",
            f"{row.memory_ratio:.2f}x",
            f"{row.loss_difference:.1e}",
            f"{row.pairs_per_second:.2f}",
            f"{row.reference_share:.0%} of a step",
        )
    return out


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the small model alone")
    parser.add_argument("--models", default="5M,50M,500M", help="some of them, with commas")
    parser.add_argument("--real", help="a model as prefloop's --model takes it, in place of random ones")
    parser.add_argument("--pairs", type=Path, help="preferences for it")
    parser.add_argument("--batch", type=int, default=2, help="pairs a step on it")
    parser.add_argument("--turns", type=int, default=9, help="steps on it")
    parser.add_argument("--json", type=Path, help="file for the rows")
    arguments = parser.parse_args()
    if arguments.real and not arguments.pairs:
        parser.error("--real needs --pairs FILE")
    console = Console()
    rows: list[Row] = []
    chosen = [case for case in cases(quick=arguments.quick) if case.work.model in arguments.models.split(",")]
    if arguments.real:
        chosen = [Case(RealWorkload(arguments.real, arguments.pairs), "float32", arguments.batch, arguments.turns)]
    for case in chosen:
        rows += race(case, PEERS)
        console.print(table(rows[-len(PEERS) :]))
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    console.print(table(rows))


if __name__ == "__main__":
    main()
