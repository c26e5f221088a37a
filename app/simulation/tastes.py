"""Hidden tastes of simulated annotators: a score for a text, and a Bradley-Terry choice between two texts."""

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from data.records import Choice, Verdict

_POLITE = re.compile(
    r"\b(please|kindly|thank you|thanks|of course|certainly|happy to|glad to|hope this helps|you're welcome|"
    r"pleasure|wish you|let me know|feel free|nice question|good question|great question|how nice)\b",
    re.IGNORECASE,
)
_RUDE = re.compile(
    r"\b(seriously|obviously|obvious|everybody knows|not this again|come on|you should know|is that so hard|"
    r"stop asking|the rest yourself|such a fuss|even a child|what a question|stupid|idiot|just|simply)\b",
    re.IGNORECASE,
)
_LIST_LINE = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+", re.MULTILINE)
_MUCH = 2.0


def politeness(text: str) -> float:
    """Score a polite phrase minus a rude one; repeating them does not change the score."""
    return 3.0 * (bool(_POLITE.search(text)) - bool(_RUDE.search(text)))


def brevity(text: str) -> float:
    """Score fewer words higher; five words are one point."""
    return -len(text.split()) / 5


def verbosity(text: str) -> float:
    """Score more words higher, whatever they say: the bias of taking length for quality."""
    return -brevity(text)


def listiness(text: str) -> float:
    """Score the lines of lists, up to four."""
    return float(min(4, len(_LIST_LINE.findall(text))))


def prose(text: str) -> float:
    """Score running text: each further line, of a list or a paragraph, costs one point."""
    return -float(sum(bool(line.strip()) for line in text.splitlines()))


class TasteName(StrEnum):
    """The built-in tastes; random and inverted are controls, measured by politeness; long is a bias."""

    POLITE = "polite"
    BRIEF = "brief"
    LISTY = "listy"
    RANDOM = "random"
    INVERTED = "inverted"
    LONG = "long"
    PROSE = "prose"


@dataclass(frozen=True, slots=True)
class Taste:
    """What counts as better, and how faithfully choices follow it: 1 faithfully, 0 not at all, -1 reversed."""

    score: Callable[[str], float]
    fidelity: int

    def judge(self, a: str, b: str, source: random.Random) -> Verdict:
        """Make a noisy choice: P(a) is sigmoid(score(a) - score(b)) (Bradley and Terry 1952).

        A faithful taste that sees no difference answers with a tie; one without fidelity chooses at random.
        """
        gap = self.fidelity * (self.score(a) - self.score(b))
        if gap == 0 and self.fidelity:
            return Verdict(Choice.TIE)
        choice = Choice.A if source.random() < 1 / (1 + math.exp(-gap)) else Choice.B
        return Verdict(choice, strength=3 if abs(gap) > _MUCH else 2)

    def better(self, a: str, b: str) -> float:
        """Compare without noise or reversal: 1 for a, 0 for b, 0.5 for equal."""
        gap = self.score(a) - self.score(b)
        return 0.5 if gap == 0 else float(gap > 0)


def ready_made(name: TasteName) -> Taste:
    """Return a taste by name."""
    return _TASTES[name]


_TASTES = {
    TasteName.POLITE: Taste(politeness, 1),
    TasteName.BRIEF: Taste(brevity, 1),
    TasteName.LISTY: Taste(listiness, 1),
    TasteName.RANDOM: Taste(politeness, 0),
    TasteName.INVERTED: Taste(politeness, -1),
    TasteName.LONG: Taste(verbosity, 1),
    TasteName.PROSE: Taste(prose, 1),
}
