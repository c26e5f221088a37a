"""OpenAI's preference fine-tuning (DPO): `input` with the messages so far, a preferred and a non-preferred output.

OpenAI trains on text only, and on one answer per row, the last turn of the conversation. Other keys are not allowed.
Rows with tools are not read.

https://developers.openai.com/api/docs/guides/direct-preference-optimization
"""

import pyarrow as pa

from data.errors import InputError
from data.formats import layout
from data.formats import row as cells
from data.formats.columns import TEXT, TURNS
from data.formats.format import Format
from data.formats.row import FileRow
from data.records.judged_pair import JudgedPair

_INPUT = pa.struct([("messages", TURNS), ("tools", pa.list_(TEXT)), ("parallel_tool_calls", pa.bool_())])


def _read(row: FileRow) -> list[JudgedPair]:
    """Return the pair of a row. Raises InputError with the reason why there is none."""
    asked = cells.entry(row, "input")
    if asked.get("tools"):
        raise InputError("input has tools, and only text can be read")
    return [
        JudgedPair(
            cells.ask("input", cells.turns(asked, "messages")),
            cells.answer(row, "preferred_output"),
            cells.answer(row, "non_preferred_output"),
        )
    ]


def _write(pair: JudgedPair) -> list[dict[str, object]]:
    return [
        {
            "input": {"messages": list(pair.prompt), "tools": [], "parallel_tool_calls": True},
            "preferred_output": [layout.answer(pair.chosen)],
            "non_preferred_output": [layout.answer(pair.rejected)],
        }
    ]


FORMAT = Format(
    "openai",
    ("input", "preferred_output", "non_preferred_output"),
    _read,
    _write,
    pa.schema([("input", _INPUT), ("preferred_output", TURNS), ("non_preferred_output", TURNS)]),
    open=False,
)
