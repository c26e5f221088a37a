"""A round's report as the API sends it: English words to be read in the reader's language, and values.

Knows nothing of what was measured, nor of how it is drawn.
"""

from pydantic import BaseModel

from app.reports.cells import Note
from app.reports.round_tables import ReportWords


class NoteOut(BaseModel):
    """English words, and values for their {names}."""

    words: str
    values: dict[str, str | int] = {}


class TableOut(BaseModel):
    """A table of a report; the first cell of a row names it."""

    title: str
    head: list[str]
    rows: list[list[NoteOut | str]]


class ProbeOut(BaseModel):
    """A fixed question, its turns, and what everybody answered to it, by name."""

    prompt: list[str]
    answers: list[tuple[str, str]]


class ReportOut(BaseModel):
    """A report: the most important numbers by name, all tables, fixed questions, what people should know besides."""

    tiles: list[tuple[str, NoteOut | str]]
    tables: list[TableOut]
    probes: list[ProbeOut]
    notes: list[str]


def report_out(words: ReportWords) -> ReportOut:
    """A report's words as they are sent."""
    return ReportOut(
        tiles=[(name, _cell(cell)) for name, cell in words["tiles"]],
        tables=[
            TableOut(
                title=table["title"],
                head=list(table["head"]),
                rows=[[_cell(cell) for cell in row] for row in table["rows"]],
            )
            for table in words["tables"]
        ],
        probes=[ProbeOut(**probe) for probe in words["probes"]],
        notes=list(words["notes"]),
    )


def _cell(cell: Note | str) -> NoteOut | str:
    return cell if isinstance(cell, str) else NoteOut(words=cell["words"], values=cell.get("values", {}))
