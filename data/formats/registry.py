"""All formats: find one by name, or detect it from rows."""

from collections.abc import Iterable, Mapping
from itertools import islice

from data.containers.container import Numbered, Unreadable
from data.errors import InputError
from data.formats import (
    alpaca,
    arena,
    arena_55k,
    argilla,
    axolotl,
    hh_rlhf,
    openai,
    openrlhf,
    prefloop,
    rated_messages,
    sharegpt,
    trl,
    trl_implicit,
    trl_implicit_text,
    trl_reward,
    trl_text,
    trl_unpaired,
)
from data.formats.format import Format
from data.formats.row import FileRow, assert_text_only, kind

LOOKED_AT = 100
"""One of this many first rows of a file must show its format."""

_KEYS_SHOWN = 30

# The first that matches reads the file, so stricter ones come first; the last three have the same rows as others.
FORMATS = (
    prefloop.FORMAT,
    arena.FORMAT,
    arena_55k.FORMAT,
    argilla.FORMAT,
    openai.FORMAT,
    axolotl.FORMAT,
    sharegpt.RANKING,
    alpaca.RANKING,
    trl_reward.FORMAT,
    trl_implicit.FORMAT,
    trl.FORMAT,
    hh_rlhf.FORMAT,
    trl_implicit_text.FORMAT,
    sharegpt.KTO,
    alpaca.KTO,
    trl_unpaired.FORMAT,
    rated_messages.FORMAT,
    trl_text.FORMAT,
    trl_unpaired.TEXT_FORMAT,
    openrlhf.FORMAT,
)


def by_name(name: str) -> Format:
    """Return the format of that name. Raises InputError that lists the known ones."""
    for format_ in FORMATS:
        if format_.name == name:
            return format_
    raise InputError(f"{name!r:.40} is not a known format; use one of {', '.join(format_.name for format_ in FORMATS)}")


def detect(rows: Iterable[Numbered], unit: str = "row") -> Format:
    """Return the format of the first row that matches one; it then holds for the whole file. LOOKED_AT rows are enough.

    unit: what rows are counted by. Raises InputError with what was found and the known formats.
    """
    first = None
    for number, row in rows:
        first = first or (number, row)
        if isinstance(row, Mapping):
            for format_ in FORMATS:
                if format_.matches(row):
                    return format_
    if first is None:
        raise InputError("no row at all; put a JSON object on each line")
    known = "; ".join(f"{format_.name}: {', '.join(format_.keys)}" for format_ in FORMATS)
    raise InputError(
        f"{unit} {first[0]}: no format that is known; found {_found(first[1])}. "
        f"Rename the keys to those of one: {known}"
    )


def checked(row: object) -> FileRow:
    """Return the row if it is an object with text only. Raises InputError with the reason if not."""
    if isinstance(row, Unreadable):
        raise InputError(row.reason)
    if not isinstance(row, Mapping):
        raise InputError(f"{kind(row)}, not an object")
    assert_text_only(row)
    return row


def _found(row: object) -> str:
    if isinstance(row, Unreadable):
        return f"what cannot be read: {row.reason}"
    if not isinstance(row, Mapping):
        return f"{kind(row)} where an object should be"
    keys = [f"{key:.80} ({kind(value)})" for key, value in islice(row.items(), _KEYS_SHOWN)]
    if len(row) > _KEYS_SHOWN:
        keys.append(f"{len(row) - _KEYS_SHOWN} more keys")
    return ", ".join(keys) or "an object without a key"
