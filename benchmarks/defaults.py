"""The study behind the trainer's defaults: few pairs, a real model, short work, one result file a cell.

    python -m benchmarks.defaults sample --model DIR --answers answers.json
    python -m benchmarks.defaults cell --model DIR --answers answers.json --out DIR --taste shorter --pairs 50 ...
    python -m benchmarks.defaults table --out DIR

`sample` draws the base's answers once: two to every training prompt, one to each of 100 unseen ones, at temperature 1,
prompts of at most 64 tokens, answers of at most 96. `cell` judges the pairs by a taste without noise, trains on the
first N, and lets the same taste compare its answers to the unseen prompts with the base's. Killed and started again it
goes on from its last checkpoint. An answer that is empty or repeats itself loses; one that was cut off is judged.
"""

import argparse
import json
import random
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from app.simulation.tastes import brevity, listiness
from data.exchange.read_prompts import read_prompts
from data.quality.share import SHOWN_CONFIDENCE, wilson
from data.records import FinishReason, Message, Sampling
from data.support.repetition import repetition
from trainer.algorithms.dpo import PreferenceObjective, train_on_pairs
from trainer.algorithms.training_run import RunContext
from trainer.forward.encoding import TokenPair
from trainer.forward.logprobs import Forward
from trainer.forward.packing import Group
from trainer.forward.probe import choose_forward
from trainer.forward.reference import group_logps, reference_logps
from trainer.forward.token_budget import TokenBudget
from trainer.interface.config import DPOConfig, training_config
from trainer.interface.intervals import interval_of_mean
from trainer.interface.manifest import Interval
from trainer.interface.round_dir import RoundDir
from trainer.model.adapter import Adapter
from trainer.model.base import Base, load_base
from trainer.model.policy import Policy
from trainer.sampling.sampler import Request, SampledRow, Sampler

SEED_PROMPTS = Path(__file__).parent.parent / "data" / "seed" / "prompts.jsonl"
LONGEST_PROMPT, LONGEST_ANSWER, UNSEEN, SEEN, TOLD = 64, 96, 100, 300, 30
ROWS = 32  # answers decoded side by side
TOKENS = 2048  # of one pass, as the product takes on a CPU
HELDOUT_SHARE = 0.15  # of a cell's pairs, as the product holds out by default
REPEATS_ITSELF = 0.3  # seq-rep-4 from which an answer loses
_HEAD = (
    "taste",
    "pairs",
    "seed",
    "set",
    "steps",
    "passes",
    "won",
    "KL/answer",
    "KL/token",
    "held-out",
    "length",
    "bad",
    "CPU",
)
# SmolLM2 talks on: without such a wish nearly every answer is cut off at 96 tokens, and none is shorter
WISHES = (" Answer in one or two sentences.", " Keep it short.", "")


class StudyTaste(StrEnum):
    """Whom the pairs please: who wants few words, or who wants a list."""

    SHORTER = "shorter"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Answer:
    """One sampled answer. cut: it reached LONGEST_ANSWER."""

    token_ids: tuple[int, ...]
    text: str
    cut: bool

    def score(self, taste: StudyTaste) -> float:
        """Higher is better. Two cut answers are equally long to somebody who has not seen their ends."""
        match taste:
            case StudyTaste.SHORTER:
                return float("-inf") if self.cut else brevity(self.text)
            case StudyTaste.LIST:
                return listiness(self.text)

    @property
    def bad(self) -> bool:
        """Whether it loses whatever it says."""
        return not self.text or repetition(self.text.split()) > REPEATS_ITSELF


@dataclass(frozen=True, slots=True)
class Cell:
    """One training: whose pairs, how many, with what settings that differ from the defaults."""

    taste: StudyTaste
    pairs: int
    seed: int
    settings: Mapping[str, object]

    @property
    def name(self) -> str:
        """Its file's name."""
        said = "-".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.taste}-{self.pairs}-{said or 'defaults'}-seed={self.seed}"


def main() -> None:
    """Sample, train one cell, or show what all cells gave."""
    arguments = _arguments()
    match arguments.act:
        case "sample":
            sample(load_base(arguments.model), arguments.answers, arguments.prompts, seed=arguments.seed)
        case "cell":
            settings = {key: json.loads(value) for key, value in (said.split("=") for said in arguments.set)}
            cell = Cell(StudyTaste(arguments.taste), arguments.pairs, arguments.seed, settings)
            run_cell(cell, load_base(arguments.model), arguments.answers, arguments.out)
        case _:
            show(arguments.out)


def sample(base: Base, file: Path, more: Sequence[Path], *, seed: int) -> None:
    """Draw the base's answers to all prompts that are short enough, and keep them with what drew them."""
    texts = [text for path in (SEED_PROMPTS, *more) for text in _questions(path)]
    prompts = [(Message(role="user", content=text + WISHES[i % 3]),) for i, text in enumerate(texts)]
    encoded = [ids for ids in map(base.encode, prompts) if len(ids) <= LONGEST_PROMPT]
    random.Random(seed).shuffle(encoded)
    encoded = encoded[: UNSEEN + SEEN]
    plain = Sampling(temperature=1.0, max_new_tokens=LONGEST_ANSWER)
    requests = [
        Request(ids, None, seed + 2 * i + side, plain)
        for i, ids in enumerate(encoded)
        for side in range(1 if i < UNSEEN else 2)
    ]
    began = time.process_time()
    rows = Sampler(base, max_rows=ROWS).generate(requests)
    unseen, seen = rows[:UNSEEN], rows[UNSEEN:]
    kept = [{"prompt": r.request.prompt_ids, "answers": [_kept(r)]} for r in unseen]
    kept += [
        {"prompt": a.request.prompt_ids, "answers": [_kept(a), _kept(b)]}
        for a, b in zip(seen[::2], seen[1::2], strict=True)
    ]
    seconds = time.process_time() - began
    said = {"model": base.name, "revision": base.revision, "seed": seed, "commit": _commit(), "cpu_seconds": seconds}
    file.write_text(json.dumps({**said, "prompts": kept}))


def run_cell(cell: Cell, base: Base, answers: Path, out: Path) -> None:
    """Train and measure, from wherever an earlier try left it; the result is out/NAME.json."""
    began = time.process_time()
    kept = json.loads(answers.read_text())["prompts"]
    judged = judged_pairs(base, kept[UNSEEN:], cell.taste)
    told, pool = judged[:TOLD], judged[TOLD:]
    random.Random(cell.seed).shuffle(pool)
    train = pool[: cell.pairs - round(HELDOUT_SHARE * cell.pairs)]
    if len(pool) < cell.pairs:
        raise SystemExit(f"{len(pool)} pairs are decided, {cell.pairs} are asked for; sample more prompts")
    config = training_config(cell.settings, parameters=base.model.num_parameters())
    assert isinstance(config, DPOConfig)
    directory = RoundDir(out / cell.name)
    directory.path.mkdir(parents=True, exist_ok=True)
    budget = TokenBudget(config.token_budget or TOKENS, print)
    policy = Policy.from_base(base, rank=config.rank, alpha=config.alpha, seed=cell.seed)
    forward = choose_forward(base.model).forward
    groups = [pair.group for pair in (*train, *told)]
    before = reference_logps(policy, forward, groups, budget, file=directory.reference, snapshot_sha256=cell.name)
    objective = PreferenceObjective(policy, forward, config, before, None)
    steps = train_on_pairs(
        RunContext(directory, config, cell.seed, lambda: False, directory.set_progress, budget), objective, train
    )
    trained = time.process_time() - began
    with policy.acting():
        after = group_logps(policy, forward, [pair.group for pair in told], budget)
    gains = [_gain(after[pair.group]) - _gain(before[pair.group]) for pair in told]
    result: dict[str, Any] = {
        "cell": asdict(cell),
        "config": config.model_dump(mode="json"),
        "train_pairs": len(train),
        "steps": steps,
        "pair_passes": steps * config.batch_size,
        "heldout_margin": statistics.fmean(gains),
        "heldout_interval": _plain(interval_of_mean(gains)),
        "heldout_gains": gains,
        **_against_base(policy, forward, kept[:UNSEEN], cell.taste, budget),
        "cpu_seconds_training": trained,
        "cpu_seconds": time.process_time() - began,
        "commit": _commit(),
    }
    part = out / f"{cell.name}.part"
    part.write_text(json.dumps(result, indent=1))
    part.replace(out / f"{cell.name}.json")


def judged_pairs(base: Base, kept: Sequence[Mapping[str, Any]], taste: StudyTaste) -> list[TokenPair]:
    """Pairs that a taste decides without noise; those it finds equal are left out."""
    found = []
    for line in kept:
        a, b = (_read(base, answer) for answer in line["answers"])
        if a.score(taste) == b.score(taste) or not (a.token_ids and b.token_ids):
            continue
        best, worst = (a, b) if a.score(taste) > b.score(taste) else (b, a)
        found.append(TokenPair(tuple(line["prompt"]), best.token_ids, worst.token_ids))
    return found


def _against_base(
    policy: Policy, forward: Forward, kept: Sequence[Mapping[str, Any]], taste: StudyTaste, budget: TokenBudget
) -> dict[str, Any]:
    """What the taste says of a policy's answers to unseen prompts beside the base's, and how far they are from it."""
    base = policy.base
    rows = _answers(base, policy.adapter(), [tuple(line["prompt"]) for line in kept])
    groups = [Group(row.request.prompt_ids, (tuple(row.token_ids),)) for row in rows]
    with policy.stack.acting():
        of_base = group_logps(policy, forward, groups, budget)
    ratios = [sum(row.logprobs) - of_base[group][0] for row, group in zip(rows, groups, strict=True)]
    mine = [_read(base, _kept(row)) for row in rows]
    theirs = [_read(base, line["answers"][0]) for line in kept]
    wins = [_wins(a, b, taste) for a, b in zip(mine, theirs, strict=True)]
    low, high = wilson(sum(wins), len(wins), SHOWN_CONFIDENCE)
    lengths, base_lengths = ([len(answer.token_ids) for answer in answers] for answers in (mine, theirs))
    return {
        "prompts": len(rows),
        "win_rate": statistics.fmean(wins),
        "win_interval": [low, high],
        "kl_answer": statistics.fmean(ratios),
        "kl_token": sum(ratios) / sum(lengths),
        "mean_length": statistics.fmean(lengths),
        "base_length": statistics.fmean(base_lengths),
        "empty": statistics.fmean(not answer.text for answer in mine),
        "cut": statistics.fmean(answer.cut for answer in mine),
        "repeating": statistics.fmean(answer.bad and bool(answer.text) for answer in mine),
        "base_cut": statistics.fmean(answer.cut for answer in theirs),
        "base_repeating": statistics.fmean(answer.bad and bool(answer.text) for answer in theirs),
        "examples": [answer.text for answer in mine[:4]],
    }


def _answers(base: Base, adapter: Adapter, prompts: Sequence[tuple[int, ...]]) -> list[SampledRow]:
    sampler = Sampler(base, max_rows=ROWS, max_adapters=1, max_rank=adapter.rank)
    sampler.load("policy", adapter)
    plain = Sampling(temperature=1.0, max_new_tokens=LONGEST_ANSWER)
    return sampler.generate([Request(prompt, "policy", 10_000 + i, plain) for i, prompt in enumerate(prompts)])


def _wins(mine: Answer, theirs: Answer, taste: StudyTaste) -> float:
    """1, 0, or 0.5 for equal; a bad answer loses against any other."""
    if mine.bad or theirs.bad:
        return 0.5 * (1 + theirs.bad - mine.bad)
    a, b = mine.score(taste), theirs.score(taste)
    return 0.5 if a == b else float(a > b)


def _gain(logps: tuple[float, ...]) -> float:
    chosen, rejected = logps
    return chosen - rejected


def _kept(row: SampledRow) -> dict[str, Any]:
    return {"ids": row.token_ids, "cut": row.finish_reason is FinishReason.LENGTH}


def _read(base: Base, kept: Mapping[str, Any]) -> Answer:
    return Answer(tuple(kept["ids"]), base.text(kept["ids"]), kept["cut"])


def _questions(path: Path) -> list[str]:
    """First turns of a prompts file, or of a JSON list of conversations (ShareGPT or messages)."""
    if path.suffix == ".jsonl":
        return [prompt[0]["content"] for prompt in read_prompts(path)]
    lists = [row.get("conversations") or row["messages"] for row in json.loads(path.read_text())]
    return list(dict.fromkeys(turns[0].get("value") or turns[0]["content"] for turns in lists))


def _plain(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _commit() -> str:
    here = Path(__file__).parent
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=True
    ).stdout.strip()


def show(out: Path) -> None:
    """All cells that have ended, as a table."""
    table = Table(*_HEAD)
    for file in sorted(out.glob("*.json")):
        found = json.loads(file.read_text())
        if "cell" not in found:
            continue
        cell, (low, high) = found["cell"], found["win_interval"]
        margin, (worst, best) = found["heldout_margin"], found["heldout_interval"]
        table.add_row(
            cell["taste"],
            str(cell["pairs"]),
            str(cell["seed"]),
            " ".join(f"{key}={value}" for key, value in cell["settings"].items()),
            str(found["steps"]),
            str(found["pair_passes"]),
            f"{found['win_rate']:.2f} ({low:.2f}-{high:.2f})",
            f"{found['kl_answer']:.1f}",
            f"{found['kl_token']:.3f}",
            f"{margin:+.1f} ({worst:+.1f} to {best:+.1f})",
            f"{found['mean_length']:.0f} / {found['base_length']:.0f}",
            f"{found['empty'] + found['repeating']:.2f}, cut {found['cut']:.2f}",
            f"{found['cpu_seconds']:.0f}",
        )
    Console(width=200).print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=("sample", "cell", "table"))
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--answers", type=Path, default=Path("answers.json"))
    parser.add_argument("--prompts", type=Path, nargs="*", default=[], help="more prompts, JSON lists of conversations")
    parser.add_argument("--out", type=Path, default=Path("cells"))
    parser.add_argument("--taste", choices=[*StudyTaste], default=StudyTaste.SHORTER)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of [training]")
    return parser.parse_args()


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
