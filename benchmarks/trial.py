"""How soon votes settle a trial of two versions, and how often wrongly: simulated, with a look after every vote.

`python -m benchmarks.trial [--experiments 1000] [--votes 400]`
"""

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from data.versions.sequential_test import PRIOR, Evidence, SequentialOutcome


def settled(rate: float, experiments: int, votes: int, *, seed: int) -> list[tuple[SequentialOutcome, int]]:
    """How each experiment ended and after how many votes. rate: the challenger's true win rate."""
    source = np.random.default_rng(seed)
    known: dict[tuple[int, int], SequentialOutcome] = {}
    ends: list[tuple[SequentialOutcome, int]] = []
    for row in source.random((experiments, votes)) < rate:
        for at, wins in enumerate(np.cumsum(row), 1):
            counts = int(wins), at - int(wins)
            outcome = known.setdefault(counts, Evidence(*counts).outcome)
            if outcome is not SequentialOutcome.OPEN:
                ends.append((outcome, at))
                break
        else:
            ends.append((SequentialOutcome.OPEN, votes))
    return ends


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--votes", type=int, default=400)
    arguments = parser.parse_args()
    table = Table(
        title=f"{arguments.experiments} trials of at most {arguments.votes} votes, Beta({PRIOR:g}, {PRIOR:g})"
    )
    for heading in ("true win rate", "promoted", "refused", "kept waiting", "median votes until it ended"):
        table.add_column(heading, justify="right")
    for rate in (0.5, 0.55, 0.6, 0.65, 0.45):
        ends = settled(rate, arguments.experiments, arguments.votes, seed=0)
        shares = [sum(outcome is kind for outcome, _ in ends) / len(ends) for kind in SequentialOutcome]
        median = np.median([at for _, at in ends])
        table.add_row(f"{rate:.2f}", *(f"{share:.1%}" for share in shares), f"{median:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
