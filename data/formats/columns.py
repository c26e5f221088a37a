"""The columns that formats have in common, as Arrow types them. Knows no format."""

import pyarrow as pa

TEXT = pa.string()
TURN = pa.struct([("role", TEXT), ("content", TEXT)])
TURNS = pa.list_(TURN)
