r"""Convert values to and from the cells of a CSV file.

Text is written as it is, anything else as JSON. A text that would be read back as something else is written as a JSON
string. So that no spreadsheet takes a text for a formula, a text that begins with = + - @ tab, return or NUL, or with '
before one of these, gets a ' in front, which is removed again on reading.

https://owasp.org/www-community/attacks/CSV_Injection
and its ASVS 5.0, 1.2.10.
"""

import json
import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\0]")
_HELD_BACK = re.compile(r"'+[=+\-@\t\r\0]")
_WORDS = {"true": True, "True": True, "false": False, "False": False}


def said(cell: str) -> object:
    """Return the value of a cell: null if empty, JSON if it looks like it, true or false; else its text.

    Numbers stay text: nothing tells whether 007 is one.
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
    """Return the cell of a value, from which `said` reads the same value, except that numbers come back as text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    text = f"'{value}" if _FORMULA.match(value) else value
    return text if said(text) == value else json.dumps(value, ensure_ascii=False)
