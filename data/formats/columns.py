"""The columns that formats have in common, as Arrow types them. Knows no format."""

import pyarrow as pa

TEXT = pa.string()
TURN = pa.struct([("role", TEXT), ("content", TEXT)])
TURNS = pa.list_(TURN)
ANSWER_TURNS = pa.list_(pa.struct([*TURN, ("reasoning_content", TEXT)]))
"""Turns of which the last, the answer, may come with its reasoning, null where there is none."""
