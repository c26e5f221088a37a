"""What the annotation board draws. All of it may be seen by annotators. Knows nothing of how it is drawn."""

from collections.abc import Iterable
from typing import Literal, TypedDict

from app.pages.annotate.acts import Judge
from app.reports.cells import Note
from data.barring.reading_speed import READING_SPEED, SKIMMING
from data.records import Choice, Judgment, Pair, Remarks, Verdict

_VERDICTS = {
    "1": (Choice.A, 3),
    "2": (Choice.A, 2),
    "3": (Choice.TIE, None),
    "4": (Choice.B, 2),
    "5": (Choice.B, 3),
    "0": (Choice.BOTH_BAD, None),
    "s": (Choice.SKIP, None),
}
_PICKS = {verdict: pick for pick, verdict in _VERDICTS.items()}
_WEAKEST = 2  # strengths of 1 come from programs only; the board shows them as the weaker of its two
_LONGEST_LINE = 120
_LEAST_DEAF_MS = 400  # the second press of a double one comes 160 to 250 ms after a pair
_OPENING = 60  # characters of an answer in which it may be seen to be the worse one


class EarlierJudgment(TypedDict):
    """What had been said of a pair that comes back, in the sides shown."""

    pick: str
    reasons: dict[str, list[str]]
    comment: str
    flag: str
    edits: dict[str, str | None]


class Feedback(TypedDict):
    """What a known pair should have been judged. expected: a pick."""

    right: bool
    expected: str
    why: str


class ThoughtView(TypedDict):
    """What was reasoned before an answer: as written, as safe HTML, and how many tokens that took, if it is known."""

    text: str
    html: str
    tokens: int | None


class PairView(TypedDict, total=False):
    """state: pair (to judge), live (being written; `prompt`: for which), wait (`trouble` says why).

    turns hold `text` or, for answers, safe `html`; `a` and `b` are safe HTML, `text` their plain texts. cut_off_after:
    the tokens after which a limit cut each off, if one did. reasoning: of those that have any and where it may be seen,
    unfolded from the start if `open`. deaf_ms: how long the board takes no choice. continues: the judgment just kept,
    if its conversation can go on. guide: the guidelines, if the board shows others.
    """

    state: Literal["pair", "live", "wait"]
    run: str
    prompt: str
    token: str
    turns: list[dict[str, str]]
    a: str
    b: str
    text: dict[str, str]
    reasoning: dict[str, ThoughtView | None]
    open: bool
    cut_off_after: dict[str, int | None]
    deaf_ms: int
    said: EarlierJudgment
    changing: bool
    continues: int
    feedback: Feedback
    note: Note
    tone: Literal["ok", "warn"]
    refused: bool
    trouble: Note
    done: int
    goal: int
    reasons: list[str]
    person: dict[str, str | bool]
    guide: "GuideView"


class GuideView(TypedDict):
    """The guidelines as safe HTML by language."""

    version: str
    html: dict[str, str]


class HistoryRow(TypedDict):
    """One line of the history. at: ms since the epoch."""

    id: int
    pick: str
    prompt: str
    at: int
    remarked: bool


class HistoryView(TypedDict):
    """A page of the history; next: where the following one begins, None at the end."""

    rows: list[HistoryRow]
    next: int | None


def deaf_ms(texts: Iterable[str], *, read_before: bool = False) -> int:
    """How long no choice is taken of two answers, from when they are painted: nobody can have read their openings yet.

    That is as long as skimming these takes, and at least as long as a double press goes on.
    """
    characters = 0 if read_before else sum(min(len(text), _OPENING) for text in texts)
    return max(_LEAST_DEAF_MS, round(1000 * characters / (SKIMMING * READING_SPEED)))


def verdict_of(act: Judge) -> Verdict:
    """What the act says."""
    choice, strength = _VERDICTS[act.pick]
    remarks = Remarks(act.reasons_a, act.reasons_b, act.comment, act.flag)
    return Verdict(choice, strength, act.ms, remarks, act.edit if choice.decisive else None)


def said_of(judgment: Judgment) -> EarlierJudgment:
    """A judgment as its annotator gave it."""
    remarks = judgment.remarks.mirrored if judgment.swapped else judgment.remarks
    edits: dict[str, str | None] = {"a": None, "b": None}
    if judgment.edit is not None:
        edits[judgment.shown] = judgment.edit
    return EarlierJudgment(
        pick=_pick(judgment.shown, judgment.strength),
        reasons={"a": list(remarks.reasons_a), "b": list(remarks.reasons_b)},
        comment=remarks.comment,
        flag=remarks.flag or "",
        edits=edits,
    )


def feedback_of(judgment: Judgment, expected: Choice, why: str) -> Feedback:
    """Whether a judgment says what was expected, in the sides shown; expected is in the pair's own."""
    shown = expected.mirrored if judgment.swapped else expected
    return Feedback(
        right=judgment.choice is expected, expected=_pick(shown, _WEAKEST if shown.decisive else None), why=why
    )


def row_of(judgment: Judgment, pair: Pair) -> HistoryRow:
    """A judgment as a line of the history."""
    remarks = judgment.remarks
    return HistoryRow(
        id=judgment.id,
        pick=_pick(judgment.shown, judgment.strength),
        prompt=pair.prompt.messages[-1]["content"][:_LONGEST_LINE],
        at=judgment.created_at,
        remarked=remarks != Remarks() or judgment.edit is not None,
    )


def _pick(shown: Choice, strength: int | None) -> str:
    """The button of a judgment."""
    return _PICKS.get((shown, max(strength or _WEAKEST, _WEAKEST) if shown.decisive else None), "")
