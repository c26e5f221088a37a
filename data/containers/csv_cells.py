r"""What stands in a cell of a CSV file for a value, and what a cell says. Knows nothing of files and rows.

Text stands as it is, anything else as JSON. A text that would be read as something else is written as a JSON string. So
that no spreadsheet takes a text for a formula, one that begins with = + - @ tab, return or NUL, or with ' before one of
these, gets a ' in front, which is taken away again when it is read.

https://owasp.org/www-community/attacks/CSV_Injection
and its ASVS 5.0, 1.2.10.
"""

import json
import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\0]")
_HELD_BACK = re.compile(r"'+[=+\-@\t\r\0]")
_WORDS = {"true": True, "True": True, "false": False, "False": False}


def said(cell: str) -> object:
    """The value of a cell: null if it is empty, JSON if it looks like it, true or false; else its text.

    A number stays text: nobody can tell whether 007 is one.
    """
    if not cell:
        return None
    if cell in _WORDS:
        return _WORDS[cell]
    if cell[0] in '[{"':
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell[1:] if _HELD_BACK.match(cell) else cell


def cell(value: object) -> str:
    """What says a value: the same is read again, but for a number alone in its cell, of which the text is."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    text = f"'{value}" if _FORMULA.match(value) else value
    return text if said(text) == value else json.dumps(value, ensure_ascii=False)
