"""Make invisible characters visible: they could reverse text, hide text, or break the page.

Those that scripts and emoji need stay as they are: joiners, direction marks, variation selectors, flag tags.
"""

import re

_FLAG = "\U0001f3f4[\U000e0020-\U000e007f]+"
_INVISIBLE = re.compile(
    f"(?P<kept><[^>]*>|{_FLAG})"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u180e\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def whole(text: str) -> str:
    """Replace lone surrogates, which cannot be encoded, by the replacement character."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def with_signs(html: str) -> str:
    """Replace each invisible character in HTML by its code point."""
    return _INVISIBLE.sub(_sign, html)


def _sign(found: re.Match[str]) -> str:
    return found["kept"] or f'<span class="pl-sign" dir="ltr">U+{ord(found[0]):04X}</span>'
