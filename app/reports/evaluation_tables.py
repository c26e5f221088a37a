"""An evaluation as tables: the new version compared with the one that served, and with the base."""

from collections.abc import Callable
from typing import TypedDict

from app.reports.cells import NONE, Cell, Note, Rows, TableWords, nats, nats_an_answer, percent, tokens
from trainer.interface.manifest import Evaluation, Interval, Manner, RivalScores

_NEW = "The new version"


class ProbeWords(TypedDict):
    """A probe and all answers to it, by name, in the order to show."""

    prompt: list[str]
    answers: list[tuple[str, str]]


def evaluation_tables(evaluation: Evaluation) -> list[TableWords]:
    """Return the tables on held-out pairs and on fresh answers."""
    return [_changes(evaluation), _manners(evaluation)]


def probe_words(evaluation: Evaluation) -> list[ProbeWords]:
    """Return the probes with all answers, the new version's first."""
    return [
        ProbeWords(
            prompt=[turn["content"] for turn in probe.prompt],
            answers=[(_NEW if name == "challenger" else name, text) for name, text in reversed(probe.answers.items())],
        )
        for probe in evaluation.probes
    ]


def _rivals(evaluation: Evaluation) -> list[RivalScores]:
    """Return the champion's comparison, then the base's where the champion is not the base."""
    both = [evaluation.against_champion, evaluation.against_base]
    return both if evaluation.champion else both[:1]


def _changes(evaluation: Evaluation) -> TableWords:
    rivals = _rivals(evaluation)

    def row(name: str, cell: Callable[[RivalScores], Cell]) -> tuple[str, *tuple[Cell, ...]]:
        return name, *(cell(rival) for rival in rivals)

    rows: Rows = [
        row("Held-out pairs", lambda found: str(found.heldout.pairs)),
        row("Accuracy: the chosen answer gained more", _accuracy),
        row("Margin: by how much more", _margin),
        row("Change of the chosen answer's log-probability", lambda found: nats(found.heldout.chosen_shift)),
        row("Change of the rejected answer's log-probability", lambda found: nats(found.heldout.rejected_shift)),
        row("KL, mean", lambda found: nats_an_answer(found.kl.mean)),
        row("KL, median", lambda found: nats_an_answer(found.kl.median)),
        row("KL, largest", lambda found: nats_an_answer(found.kl.max)),
    ]
    return TableWords(title="The new version against", head=("", *(rival.rival for rival in rivals)), rows=rows)


def _manners(evaluation: Evaluation) -> TableWords:
    rivals = _rivals(evaluation)
    manners = [evaluation.manner, *(rival.manner for rival in rivals)]

    def row(name: str, cell: Callable[[Manner], Cell]) -> tuple[str, *tuple[Cell, ...]]:
        return name, *(cell(manner) for manner in manners)

    rows: Rows = [
        row("Mean length", lambda manner: tokens(f"{manner.mean_length:.1f}")),
        row("Complete answers (EOS)", lambda manner: percent(manner.eos_rate)),
        row("Different words (distinct-1)", lambda manner: f"{manner.distinct_1:.2f}"),
        row("Different word pairs (distinct-2)", lambda manner: f"{manner.distinct_2:.2f}"),
        row("Repeated within an answer", lambda manner: percent(manner.repetition)),
    ]
    head = ("", _NEW, *(rival.rival for rival in rivals))
    return TableWords(title="Sample answers, side by side, at temperature 1", head=head, rows=rows)


def _accuracy(found: RivalScores) -> Cell:
    share = found.heldout.accuracy
    if share is None or found.accuracy is None:
        return NONE
    ends = _ends(found.accuracy, lambda end: f"{100 * end:.0f}")
    return Note(words="{share} % ({low} to {high})", values={"share": f"{100 * share:.0f}", **ends})


def _margin(found: RivalScores) -> Cell:
    margin = found.heldout.margin
    if margin is None or found.margin is None:
        return nats(margin)
    ends = _ends(found.margin, lambda end: f"{end:+.1f}")
    return Note(words="{nats} nats ({low} to {high})", values={"nats": f"{margin:+.2f}", **ends})


def _ends(interval: Interval, write: Callable[[float], str]) -> dict[str, str | int]:
    return {"low": write(interval.low), "high": write(interval.high)}
