"""A simulated study as a table and as plain values. Knows nothing of how it was made."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from app.simulate import RoundRow
from app.tastes import TasteName


def as_table(taste: TasteName, rows: Sequence[RoundRow]) -> Table:
    """One line a round."""
    table = Table(title=f"Taste: {taste}")
    for heading in (
        "round",
        "judgments",
        "agreement",
        "held-out acc.",
        "win rate vs round 0",
        "n",
        "failed",
        "mean length",
        "KL",
        "KL/token",
        "outcome",
        "seconds",
    ):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row.round),
            str(row.judgments),
            _share(row.agreement),
            _share(row.heldout_accuracy),
            f"{row.win_rate:.3f} [{row.win_low:.3f}, {row.win_high:.3f}]",
            str(row.comparisons),
            f"{row.failed:.2f}",
            f"{row.mean_length:.1f}",
            f"{row.kl:.2f}",
            f"{row.kl_per_token:.3f}",
            row.outcome,
            f"{row.seconds:.0f}",
        )
    return table


def as_record(taste: TasteName, seed: int, rows: Sequence[RoundRow]) -> dict[str, Any]:
    """{"taste", "seed", "rounds": [...]}, round 0 first."""
    return {"taste": taste.value, "seed": seed, "rounds": [asdict(row) for row in rows]}


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
