"""A model report as tables for the terminal."""

from collections.abc import Iterator

from rich.table import Table

from trainer.preflight.model_report import ModelReport


def as_tables(report: ModelReport) -> Iterator[Table]:
    """Yield tables of what it can do and how fast; of training steps by length; of the settings it would get."""
    can = Table(title=report.description, show_header=False)
    for name, value in _abilities(report):
        can.add_row(name, value)
    yield can
    steps = Table(title="A training step on one pair")
    for heading in ("tokens", "seconds", "tokens a second", "memory, MiB"):
        steps.add_column(heading, justify="right")
    for step in report.steps:
        pace = step.tokens / step.seconds
        steps.add_row(str(step.tokens), f"{step.seconds:.1f}", f"{pace:.0f}", f"{step.memory_mb:.0f}")
    yield steps
    chosen = Table(title="Settings it would get", show_header=False)
    for name, value in _settings(report):
        chosen.add_row(name, value)
    yield chosen


def _abilities(report: ModelReport) -> Iterator[tuple[str, str]]:
    yield "trains", report.forward
    yield "answers", report.sampling
    yield "chat template", "; ".join(report.missing) or "takes system turns and several turns, ends its turns"
    yield "context", f"{report.context} tokens"
    yield "sampling", f"{report.tokens_per_second:.0f} tokens a second, {report.max_rows} answers at a time"


def _settings(report: ModelReport) -> Iterator[tuple[str, str]]:
    training, use = report.training, report.use
    yield "free memory", f"{report.free_mb:.0f} MiB"
    yield "model.dtype", report.dtype
    yield "max_rows", str(report.max_rows)
    yield "training.token_budget", str(use.token_budget)
    above = use.recompute_above
    yield "training.gradient_checkpointing", "off" if above is None else f"for pairs of more than {above} tokens"
    yield "training.learning_rate", f"{training.learning_rate:g}"
    yield "training.batch_size", str(training.batch_size)
    yield "training.rank, alpha", f"{training.rank}, {training.alpha}"
