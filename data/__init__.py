"""What people said and what came of it. Knows neither torch nor gradio.

Importing it imports sqlite_utils without pandas, which that takes along where it is installed, for a column type that
is not used here: it would be most of the second within which a bad setting is told.
"""

import sys

if "pandas" not in sys.modules:
    sys.modules["pandas"] = None  # type: ignore[assignment]  # the way to say that there is no such module
    import sqlite_utils  # noqa: F401

    del sys.modules["pandas"]
