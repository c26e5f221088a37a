"""The colours of the pages keep WCAG 2.2, level AA, light and dark."""

import re

import pytest

from app.pages.layout import static

TEXT = 4.5  # success criterion 1.4.3
EDGE = 3.0  # success criterion 1.4.11
GROUNDS = ("bg", "card", "sunk")
ON_GROUNDS = ("text", "soft", "a", "b", "tie", "good", "warn")
ALSO = (("warn", "warn-bg"), ("card", "a"))  # a warning; the primary button
TINT = 0.13  # of the letters on the answers, of what is said to be well
TINTED = (("a", "card"), ("b", "card"), ("good", "card"), ("good", "bg"))
EDGES = (("edge", "card"), ("edge", "bg"))
TEXTS = tuple((colour, ground) for colour in ON_GROUNDS for ground in GROUNDS) + ALSO
RULE = re.compile(r":root(\[data-mode=\"dark\"\])?\s*\{(.*?)\}", re.DOTALL)
COLOUR = re.compile(r"--pl-([\w-]+):\s*#([0-9a-f]{6})\s*;")


def colours() -> dict[str, dict[str, str]]:
    """The colours of both modes by name; the dark ones stand in for some of the light ones."""
    light, dark = (dict(COLOUR.findall(body)) for _, body in RULE.findall(static("shared/base.css")))
    return {"light": light, "dark": light | dark}


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, as WCAG 2.2 defines it."""
    shares = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def tinted(tint: str, ground: str, share: float) -> str:
    """What `color-mix(in srgb, tint share, transparent)` makes of the ground under it."""
    pairs = [(int(tint[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (0, 2, 4)]
    return "".join(f"{round(share * over + (1 - share) * under):02x}" for over, under in pairs)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(("colour", "ground"), TEXTS)
def test_text_can_be_read(mode: str, colour: str, ground: str):
    known = colours()[mode]
    assert contrast(known[colour], known[ground]) >= TEXT


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(("colour", "ground"), EDGES)
def test_the_edge_of_a_control_can_be_seen(mode: str, colour: str, ground: str):
    known = colours()[mode]
    assert contrast(known[colour], known[ground]) >= EDGE


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize(("colour", "ground"), TINTED)
def test_text_can_be_read_on_a_tint_of_itself(mode: str, colour: str, ground: str):
    known = colours()[mode]
    assert contrast(known[colour], tinted(known[colour], known[ground], TINT)) >= TEXT


def test_the_ratios_are_those_that_wcag_gives():
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.005)  # WebAIM: the grey that just fails
    assert contrast("767676", "ffffff") == pytest.approx(4.54, abs=0.005)  # and the one that just passes
    assert contrast("2864dc", "2864dc") == 1
    assert tinted("ffffff", "000000", 0.5) == "808080"
