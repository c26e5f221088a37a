"""A round's report in words, as the training board shows it. Knows nothing of how it is drawn.

Titles, heads and names are English words to be read in the reader's language. The trainer's own notes are finished
sentences and stay English.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict

from app.algorithms import Algorithm
from app.pages.views import Note
from trainer.manifest import Agreement, Drift, Manifest, Report, RewardReport

Cell = Note | str
"""Without words, such as a count or a name, it is shown as it is."""

Rows = Sequence[tuple[str, *tuple[Cell, ...]]]
"""The first cell names the row."""

_NONE = "–"


class TableWords(TypedDict):
    """A table of the report."""

    title: str
    head: Sequence[str]
    rows: Rows


class ReportWords(TypedDict):
    """tiles: the most important numbers by name; tables: all of them; notes: what people should know besides."""

    tiles: Sequence[tuple[str, Cell]]
    tables: Sequence[TableWords]
    notes: Sequence[str]


def report_words(manifest: Manifest) -> ReportWords:
    """A manifest's report as the board shows it."""
    report = manifest.report
    tables = [_agreement(report.train, report.heldout), _drift(report.drift)]
    if report.reward is not None:
        tables.append(_reward(report.reward))
    tables.append(_course(report, manifest.steps))
    return ReportWords(tiles=list(_tiles(report)), tables=tables, notes=report.notes)


def _tiles(report: Report) -> Iterator[tuple[str, Cell]]:
    yield "Held-out accuracy", _percent(report.heldout.accuracy)
    yield "Training accuracy", _percent(report.train.accuracy)
    if report.reward is not None:
        yield "Reward model, held out", _percent(report.reward.heldout_accuracy)
    yield "KL to the reference", Note(words="{nats} nats", values={"nats": f"{report.drift.kl_mean:z.1f}"})
    yield "Mean length", _tokens(f"{report.drift.mean_length:.0f}")
    yield "Answers that end (EOS)", _percent(report.drift.eos_rate)
    yield "Time", _seconds(report.seconds)


def _agreement(train: Agreement, heldout: Agreement) -> TableWords:
    both = (train, heldout)
    rows: Rows = [
        ("Pairs", *(str(found.pairs) for found in both)),
        ("Accuracy: the chosen answer gained more", *(_percent(found.accuracy) for found in both)),
        ("Margin: by how much more", *(_nats(found.margin) for found in both)),
        ("The chosen answer is likelier per token, before", *(_percent(found.ranking_before) for found in both)),
        ("The chosen answer is likelier per token, after", *(_percent(found.ranking_after) for found in both)),
        ("Change of the chosen answer's log-probability", *(_nats(found.chosen_shift) for found in both)),
        ("Change of the rejected answer's log-probability", *(_nats(found.rejected_shift) for found in both)),
    ]
    return TableWords(title="Agreement with people", head=("", "Training pairs", "Held-out pairs"), rows=rows)


def _drift(drift: Drift) -> TableWords:
    rows: Rows = [
        ("KL to the reference, mean", _nats_an_answer(drift.kl_mean)),
        ("KL to the reference, median", _nats_an_answer(drift.kl_median)),
        ("KL to the reference, largest", _nats_an_answer(drift.kl_max)),
        ("Mean length", _tokens(f"{drift.mean_length:.1f}")),
        ("Answers that end by themselves (EOS)", _percent(drift.eos_rate)),
        ("Different words (distinct-1)", f"{drift.distinct_1:.2f}"),
        ("Different word pairs (distinct-2)", f"{drift.distinct_2:.2f}"),
    ]
    return TableWords(title="Fresh answers at temperature 1", head=("", ""), rows=rows)


def _reward(reward: RewardReport) -> TableWords:
    error = reward.calibration_error
    rows: Rows = [
        ("Accuracy on training pairs", _percent(reward.train_accuracy)),
        ("Accuracy on held-out pairs", _percent(reward.heldout_accuracy)),
        ("Calibration error on held-out pairs", _NONE if error is None else f"{error:.2f}"),
    ]
    return TableWords(title="Reward model", head=("", ""), rows=rows)


def _course(report: Report, steps: int) -> TableWords:
    label = Algorithm(report.algorithm).label if report.algorithm in list(Algorithm) else report.algorithm
    rows: Rows = [
        ("Algorithm", label),
        ("Reference", report.reference),
        ("Steps", str(steps)),
        ("Ratings besides the pairs", str(report.rated)),
        ("Prompts cut from the left", str(report.prompts_cut)),
        ("Examples left out, too long", str(report.dropped)),
        ("Forward pass", report.forward),
        ("Time", _seconds(report.seconds)),
        ("Peak memory", f"{report.memory_mb:.0f} MiB"),
    ]
    return TableWords(title="How it was trained", head=("", ""), rows=rows)


def _percent(share: float | None) -> Cell:
    return _NONE if share is None else Note(words="{share} %", values={"share": f"{100 * share:.0f}"})


def _nats(value: float | None) -> Cell:
    return _NONE if value is None else Note(words="{nats} nats", values={"nats": f"{value:+.2f}"})


def _nats_an_answer(value: float) -> Note:
    return Note(words="{nats} nats an answer", values={"nats": f"{value:z.2f}"})


def _tokens(count: str) -> Note:
    return Note(words="{count} tokens", values={"count": count})


def _seconds(seconds: float) -> Note:
    return Note(words="{seconds} s", values={"seconds": f"{seconds:.0f}"})
