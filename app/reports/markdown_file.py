"""A round's report as one Markdown file: what it was given, its results, and the decisions on its version.

In English, and a pure function of the round's record, its directory and the decisions.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from app.reports.cells import Cell
from app.reports.evaluation_tables import ProbeWords
from app.reports.round_tables import report_words
from app.rounds.runner import RoundView
from data.records import Decision, Round
from trainer.interface.manifest import Manifest

Setting = str | int | float | bool | None

_GIVEN = {
    "train": "Training pairs",
    "heldout": "Held-out pairs",
    "both_bad": "Pairs of two bad answers",
    "judgments": "Judgments used",
}
_ESCAPED = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "\\<", "`": "\\`", "\n": " ", "\r": " "})


def round_report(
    view: RoundView, *, version: str | None, decisions: Sequence[Decision], names: Mapping[int, str]
) -> str:
    """Return the current report of a round in Markdown.

    version: the one the round made, None if there is none; decisions: on it, oldest first. names: pseudonyms by
    annotator id; an id without one is written as it is.
    """
    parts = [_head(view.round, names), _given(view.round)]
    if view.manifest is None:
        parts.append(["## Report", "", "There is none: its training has not ended well."])
    else:
        parts += _measured(view.manifest)
    parts.append(_decided(version, decisions, names))
    parts.append(["## Settings", "", *_table(("setting", "value"), _shown(settings_of(view.round)))])
    if view.manifest is not None:
        parts.append(_made_by(view.manifest))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def settings_of(entry: Round) -> dict[str, Setting]:
    """Return a round's settings as a flat dict: nested keys are joined by dots, lists are given by their length."""
    return dict(_flat(entry.config))


def _flat(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, Setting]]:
    for key, value in settings.items():
        match value:
            case Mapping():
                yield from _flat(value, f"{prefix}{key}.")
            case list() | tuple():
                yield f"{prefix}{key}", f"{len(value)} entries"
            case str() | int() | float() | None:
                yield f"{prefix}{key}", value
            case _:
                yield f"{prefix}{key}", str(value)


def _head(entry: Round, names: Mapping[int, str]) -> list[str]:
    by = "prefloop" if entry.started_by is None else names.get(entry.started_by, str(entry.started_by))
    lines = [f"# Round {entry.id}", "", f"- State: {entry.state}"]
    if entry.reason:
        lines.append(f"- Reason: {_escaped(entry.reason)}")
    lines += [f"- Started by: {_escaped(by)}, {_escaped(entry.cause)}", f"- Started: {_time(entry.created_at)}"]
    if entry.ended_at is not None:
        lines.append(f"- Ended: {_time(entry.ended_at)}, {(entry.ended_at - entry.created_at) / 1000:.0f} s later")
    return lines


def _given(entry: Round) -> list[str]:
    rows = [(label, str(entry.counts[key])) for key, label in _GIVEN.items() if key in entry.counts]
    rate = "not known" if entry.flip_rate is None else f"{entry.flip_rate:.2f}"
    lines = ["## What it was given", "", *_table(("", "count"), [*rows, ("Share of flipped votes", rate)])]
    if entry.sha256 is not None:
        lines += ["", f"SHA-256 of what was selected: `{entry.sha256}`"]
    if entry.rules:
        lines += ["", "Selected by these rules:", ""]
        lines += _table(("rule", "value"), [(rule, str(value)) for rule, value in entry.rules.items()])
    if left := entry.excluded:
        lines += ["", "Judgments left out, by reason:", ""]
        lines += _table(("reason", "judgments"), [(reason, str(count)) for reason, count in left.items()])
    return lines


def _measured(manifest: Manifest) -> Iterator[list[str]]:
    """Yield the trainer's report: the most important numbers, all tables, notes."""
    words = report_words(manifest)
    yield ["## Report", "", *_table(("", ""), [(name, _said(cell)) for name, cell in words["tiles"]])]
    for table in words["tables"]:
        rows = [tuple(map(_said, row)) for row in table["rows"]]
        yield [f"### {_escaped(table['title'])}", "", *_table(table["head"], rows)]
    if words["probes"]:
        yield ["### Sample answers, side by side", "", *_answered(words["probes"])]
    if words["notes"]:
        yield ["### Notes", "", *(f"- {_escaped(note)}" for note in words["notes"])]


def _answered(probes: Sequence[ProbeWords]) -> Iterator[str]:
    """List the probes with all answers."""
    for probe in probes:
        yield f"- {_escaped(' / '.join(probe['prompt']))}"
        yield from (f"    - {_escaped(name)}: {_escaped(text)}" for name, text in probe["answers"])


def _decided(version: str | None, decisions: Sequence[Decision], names: Mapping[int, str]) -> list[str]:
    if version is None:
        return ["## Decisions", "", "The round made no version."]
    lines = [f"## Decisions on {_escaped(version)}", ""]
    if not decisions:
        return [*lines, "None yet."]
    rows = [
        (
            _time(decision.created_at),
            decision.ruling.value,
            "prefloop" if decision.actor_id is None else names.get(decision.actor_id, str(decision.actor_id)),
            decision.reason,
            ", ".join(f"{name}: {_number(value)}" for name, value in decision.numbers.items()),
        )
        for decision in decisions
    ]
    return [*lines, *_table(("when", "ruling", "by", "reason", "numbers"), rows)]


def _made_by(manifest: Manifest) -> list[str]:
    """Return what is needed to reproduce the round."""
    rows = [
        ("model", f"{manifest.model}, {manifest.revision}"),
        ("snapshot, SHA-256", manifest.snapshot_sha256),
        ("adapter, SHA-256", manifest.adapter_sha256),
        *manifest.software.items(),
    ]
    return ["## Made with", "", *_table(("", ""), rows)]


def _shown(settings: Mapping[str, Setting]) -> list[tuple[str, str]]:
    return [(key, "none" if value is None else str(value)) for key, value in settings.items()]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *([_escaped(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _said(cell: Cell) -> str:
    """Return a cell's English text."""
    return cell if isinstance(cell, str) else cell["words"].format(**cell.get("values", {}))


def _number(value: float | int | str | None) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    """Escape foreign text on one line, so that it makes neither tables nor HTML."""
    return text.translate(_ESCAPED)


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
