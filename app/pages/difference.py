"""The words that only one of two texts has. Knows nothing of pages."""

import html


def difference(a: str, b: str) -> tuple[str, str]:
    """Both texts as safe HTML."""
    return html.escape(a), html.escape(b)
