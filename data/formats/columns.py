"""Arrow types of columns that formats share."""

import pyarrow as pa

TEXT = pa.string()
TURN = pa.struct([("role", TEXT), ("content", TEXT)])
TURNS = pa.list_(TURN)
ANSWER_TURNS = pa.list_(pa.struct([*TURN, ("reasoning_content", TEXT)]))
"""Turns whose last one, the answer, may come with its reasoning, null where there is none."""
