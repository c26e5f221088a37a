"""The style of an answer in the built-in corpus: tone, form, length, usefulness, reasons, smileys.

Each is drawn independently, so that a taste for one of them can be trained without the others. Used by corpus.py.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_TIP_WORDS = 46  # maximum words of an answer's tips, so that nearly all answers end within 90 tokens
_SHORT_TIP = 11  # words reserved for each tip still to come before a reason is added


class Tone(StrEnum):
    """How an answer addresses the user."""

    POLITE = "polite"
    PLAIN = "plain"
    CURT = "curt"


class Form(StrEnum):
    """How an answer is laid out."""

    TEXT = "text"
    NUMBERED = "numbered"
    DASHES = "dashes"


class Place(StrEnum):
    """Where in an answer its tone shows."""

    OPENING = "opening"
    PREFIX = "prefix"
    CLOSING = "closing"


# All tones use the same places equally often, so that no tone is longer than another.
_PLACES = (
    (Place.PREFIX,),
    (Place.PREFIX,),
    (Place.OPENING,),
    (Place.OPENING,),
    (Place.CLOSING,),
    (Place.OPENING, Place.CLOSING),
    (Place.PREFIX, Place.CLOSING),
)


@dataclass(frozen=True, slots=True)
class Tip:
    """What to do, beginning with a verb, and why; neither ends with a full stop."""

    do: str
    why: str


@dataclass(frozen=True, slots=True)
class Voice:
    """The phrases of one tone; a prefix precedes a tip and ends with a space."""

    openings: tuple[str, ...]
    prefixes: tuple[str, ...]
    closings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Style:
    """The style of one answer.

    tips: how many it gives (1-4); a list needs at least two, a single one is running text. lead: whether it names the
    topic first. vague: whether the tips are empty talk.
    """

    tone: Tone
    form: Form
    places: tuple[Place, ...]
    tips: int
    vague: bool
    lead: bool
    reasons: bool
    smiley: bool


def draw_style(rng: random.Random) -> Style:
    """Draw a style with every part independent."""
    return Style(
        tone=rng.choice(tuple(Tone)),
        form=rng.choices(tuple(Form), weights=(32, 34, 34))[0],
        places=rng.choice(_PLACES),
        tips=rng.choices((1, 2, 3, 4), weights=(28, 32, 24, 16))[0],
        vague=rng.random() < 0.2,
        lead=rng.random() < 0.4,
        reasons=rng.random() < 0.45,
        smiley=rng.random() < 0.25,
    )


def compose(lead: str, tips: Sequence[Tip], style: Style, voice: Voice, rng: random.Random) -> str:
    """Compose an answer: opening, lead (if any), tips in order, closing. Needs at least one of lead and tips."""
    picked = [tips[i] for i in sorted(rng.sample(range(len(tips)), min(style.tips, len(tips))))]
    steps = _steps(picked, reasons=style.reasons)
    if steps and Place.PREFIX in style.places:
        steps[0] = rng.choice(voice.prefixes) + steps[0][0].lower() + steps[0][1:]
    # Without a tip to put a prefix on, the opening carries the tone.
    opening = rng.choice(voice.openings) if Place.OPENING in style.places or not steps else ""
    closing = rng.choice(voice.closings) if Place.CLOSING in style.places else ""
    text = _lay_out(opening, lead, steps, closing, style.form)
    return f"{text} :)" if style.smiley else text


def _steps(tips: Sequence[Tip], *, reasons: bool) -> list[str]:
    """Return the tips as sentences without full stop; each with its reason while there is room for the others."""
    steps: list[str] = []
    room = _TIP_WORDS
    for number, tip in enumerate(tips, start=1):
        full = f"{tip.do} because {tip.why}"
        to_come = _SHORT_TIP * (len(tips) - number)
        steps.append(full if reasons and len(full.split()) + to_come <= room else tip.do)
        room -= len(steps[-1].split())
    return steps


def _lay_out(opening: str, lead: str, steps: Sequence[str], closing: str, form: Form) -> str:
    """Lay out the parts as running text, or as a list under its first line."""
    if form is Form.TEXT or len(steps) < 2:
        sentences = [f"{part}." for part in (lead, *steps) if part]
        return " ".join(part for part in (opening, *sentences, closing) if part)
    head = " ".join(part for part in (opening, f"{lead}:" if lead else "") if part)
    items = [f"{_bullet(form, number)} {step}." for number, step in enumerate(steps, start=1)]
    return "\n".join(part for part in (head, *items, closing) if part)


def _bullet(form: Form, number: int) -> str:
    return f"{number}." if form is Form.NUMBERED else "-"
