"""A round's report as the page Rounds shows it.

The trainer's own notes are complete sentences and stay in English.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict

from app.reports.cells import NONE, Cell, Note, Rows, TableWords, nats, nats_an_answer, percent, seconds, tokens
from app.reports.evaluation_tables import ProbeWords, evaluation_tables, probe_words
from app.rounds.algorithms import Algorithm
from trainer.interface.manifest import Agreement, Drift, Manifest, Report, RewardReport


class ReportWords(TypedDict):
    """tiles: the most important numbers by name; tables: all numbers; probes: fixed prompts with all answers; notes:
    further messages for people.
    """

    tiles: Sequence[tuple[str, Cell]]
    tables: Sequence[TableWords]
    probes: Sequence[ProbeWords]
    notes: Sequence[str]


def report_words(manifest: Manifest) -> ReportWords:
    """Convert a manifest's report for the page."""
    report, evaluation = manifest.report, manifest.evaluation
    tables = evaluation_tables(evaluation) if evaluation else []
    tables += [_agreement(report.train, report.heldout), _drift(report.drift)]
    if report.reward is not None:
        tables.append(_reward(report.reward))
    tables.append(_course(report, manifest.steps))
    probes = probe_words(evaluation) if evaluation else []
    return ReportWords(tiles=list(_tiles(report)), tables=tables, probes=probes, notes=report.notes)


def _tiles(report: Report) -> Iterator[tuple[str, Cell]]:
    yield "Held-out accuracy", percent(report.heldout.accuracy)
    yield "Training accuracy", percent(report.train.accuracy)
    if report.reward is not None:
        yield "Reward model, held out", percent(report.reward.heldout_accuracy)
    yield "KL to the reference", Note(words="{nats} nats", values={"nats": f"{report.drift.kl_mean:z.1f}"})
    yield "Mean length", tokens(f"{report.drift.mean_length:.0f}")
    yield "Complete answers (EOS)", percent(report.drift.eos_rate)
    yield "Time", seconds(report.seconds)


def _agreement(train: Agreement, heldout: Agreement) -> TableWords:
    both = (train, heldout)
    rows: Rows = [
        ("Pairs", *(str(found.pairs) for found in both)),
        ("Accuracy: the chosen answer gained more", *(percent(found.accuracy) for found in both)),
        ("Margin: by how much more", *(nats(found.margin) for found in both)),
        ("The chosen answer is likelier per token, before", *(percent(found.ranking_before) for found in both)),
        ("The chosen answer is likelier per token, after", *(percent(found.ranking_after) for found in both)),
        ("Change of the chosen answer's log-probability", *(nats(found.chosen_shift) for found in both)),
        ("Change of the rejected answer's log-probability", *(nats(found.rejected_shift) for found in both)),
    ]
    return TableWords(title="Agreement with people", head=("", "Training pairs", "Held-out pairs"), rows=rows)


def _drift(drift: Drift) -> TableWords:
    rows: Rows = [
        ("KL to the reference, mean", nats_an_answer(drift.kl_mean)),
        ("KL to the reference, median", nats_an_answer(drift.kl_median)),
        ("KL to the reference, largest", nats_an_answer(drift.kl_max)),
        ("Mean length", tokens(f"{drift.mean_length:.1f}")),
        ("Complete answers (EOS)", percent(drift.eos_rate)),
        ("Different words (distinct-1)", f"{drift.distinct_1:.2f}"),
        ("Different word pairs (distinct-2)", f"{drift.distinct_2:.2f}"),
    ]
    return TableWords(title="Fresh answers at temperature 1", head=("", ""), rows=rows)


def _reward(reward: RewardReport) -> TableWords:
    error = reward.calibration_error
    rows: Rows = [
        ("Accuracy on training pairs", percent(reward.train_accuracy)),
        ("Accuracy on held-out pairs", percent(reward.heldout_accuracy)),
        ("Calibration error on held-out pairs", NONE if error is None else f"{error:.2f}"),
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
        ("Examples left out, refused by the chat template", str(report.refused)),
        ("Forward pass", report.forward),
        ("Time", seconds(report.seconds)),
        ("Peak memory", f"{report.memory_mb:.0f} MiB"),
    ]
    return TableWords(title="How it was trained", head=("", ""), rows=rows)
