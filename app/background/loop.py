"""What goes wrong where nobody asked for anything: words for the pages, and the log for what nobody foresaw.

Whoever works in the background goes on after it; nobody would start that work again. Knows no work.
"""

import logging

from data.errors import PrefloopError

_LOG = logging.getLogger(__name__)


def in_words(error: Exception, *, during: str, before: str | None = None) -> str:
    """An error as people read it. An unforeseen one is logged too, but not again and again: before is what was said.

    during: what went on, as the log is told.
    """
    if isinstance(error, PrefloopError):
        return str(error)
    words = f"unexpected: {error!r}"
    if words != before:
        _LOG.error("%s", during, exc_info=error)
    return words
