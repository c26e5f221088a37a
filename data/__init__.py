"""The preference store: prompts, pairs, judgments, rounds and versions in SQLite, and their import and export.

Neither torch nor gradio is imported. Importing this package imports sqlite_utils without pandas, which sqlite_utils
otherwise loads if it is installed, for a column type not used here: it would take most of the second within which
commands report a bad setting.
"""

import sys

if "pandas" not in sys.modules:
    sys.modules["pandas"] = None  # type: ignore[assignment]  # makes `import pandas` fail
    import sqlite_utils  # noqa: F401

    del sys.modules["pandas"]
