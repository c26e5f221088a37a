"""Characters that cannot be seen, made visible: they could turn text around, hide in it, or break its way to the page.

What scripts and emoji need stays as it is: joiners, marks of direction, variation selectors, the tags of flags.
"""

import re

_FLAG = "\U0001f3f4[\U000e0020-\U000e007f]+"
_INVISIBLE = re.compile(
    f"(?P<kept><[^>]*>|{_FLAG})"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u180e\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def whole(text: str) -> str:
    """The text with a replacement character for each half of one, which no page can carry."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def with_signs(html: str) -> str:
    """The HTML with the code point of each invisible character in its place."""
    return _INVISIBLE.sub(_sign, html)


def _sign(found: re.Match[str]) -> str:
    return found["kept"] or f'<span class="pl-sign" dir="ltr">U+{ord(found[0]):04X}</span>'
