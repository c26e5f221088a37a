"""A simulated study as a table and as plain values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from app.simulation.study import RoundRow
from app.simulation.tastes import TasteName


def as_table(taste: TasteName, rows: Sequence[RoundRow]) -> Table:
    """Return a table with one column per round, so that it fits a terminal."""
    table = Table(title=f"Taste: {taste}; {rows[0].comparisons} answers measured")
    table.add_column("round")
    for row in rows:
        table.add_column(str(row.round), justify="right")
    for name, cell in _LINES.items():
        table.add_row(name, *map(cell, rows))
    return table


def as_record(taste: TasteName, seed: int, rows: Sequence[RoundRow]) -> dict[str, Any]:
    """Return {"taste", "seed", "rounds": [...]}, round 0 first."""
    return {"taste": taste.value, "seed": seed, "rounds": [asdict(row) for row in rows]}


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


_LINES: Mapping[str, Callable[[RoundRow], str]] = {
    "judgments": lambda row: str(row.judgments),
    "agreement with the taste": lambda row: _share(row.agreement),
    "held-out accuracy": lambda row: _share(row.heldout_accuracy),
    "win rate against round 0": lambda row: _share(row.win_rate),
    "its 95 % interval": lambda row: f"{row.win_low:.3f} to {row.win_high:.3f}",
    "failed answers": lambda row: _share(row.failed),
    "mean length, tokens": lambda row: f"{row.mean_length:.1f}",
    "KL, nats an answer": lambda row: f"{row.kl:.2f}",
    "KL, nats a token": lambda row: f"{row.kl_per_token:.3f}",
    "outcome": lambda row: row.outcome,
    "seconds": lambda row: f"{row.seconds:.0f}",
}
