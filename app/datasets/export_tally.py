"""What became of the judgments and pairs of an export, counted on the way."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from app.datasets.anonymize import Numbering
from app.datasets.export_order import PARTS
from data.records import Split
from data.records.judged_pair import JudgedPair

_TOLD_EVERY = 1_000


@dataclass(slots=True)
class _Pair:
    """The pair that is being counted: by whom, in how many judgments, whether it was not held."""

    number: int | None = None
    annotators: set[str] = field(default_factory=set)
    votes: int = 0
    unheld: bool = False


@dataclass(slots=True)
class ExportTally:
    """What became of the judgments and pairs so far. left_out: judgments by reason; unheld: pairs by reason.

    pairs, written, rows: by part, how many pairs, judgments of them, and rows; a pair whose judgments follow one by one
    is one pair. annotators, sources, licenses: of the pairs, how many each; compared: pairs with several judgments;
    agreement: the sum over these. reasoned: answers that came with reasoning, by whether the format holds that ("kept",
    "dropped"). numbering: of people in a file that does not name them. told: hears, from time to time, how many
    judgments have been dealt with.
    """

    pairs: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unheld: Counter[str] = field(default_factory=Counter)
    annotators: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)
    reasoned: Counter[str] = field(default_factory=Counter)
    numbering: Numbering = field(default_factory=Numbering)
    agreement: float = 0.0
    compared: int = 0
    judgments: int = 0
    told: Callable[[int], None] = lambda _: None
    _pair: _Pair = field(default_factory=_Pair, init=False, repr=False)

    def add(self, judgments: int) -> None:
        """Count judgments that have been dealt with."""
        before, self.judgments = self.judgments, self.judgments + judgments
        if before // _TOLD_EVERY < self.judgments // _TOLD_EVERY:
            self.told(self.judgments)

    def describe(self, pair: JudgedPair, rows: int, *, keeps_reasoning: bool) -> None:
        """Count a judged pair that is written in so many rows, with reasoning or without, and where it comes from."""
        said, this = pair.provenance, self._this(pair)
        part, votes, people = PARTS[Split(said["split"])], said.get("votes", 1), set(said.get("annotators", ()))
        if not this.votes:
            self.pairs[part] += 1
            self.sources[said.get("source", "unknown")] += 1
            self.licenses[said.get("license", "unknown")] += 1
            reasoned = sum(reasoning is not None for reasoning in pair.reasoning)
            self.reasoned["kept" if keeps_reasoning else "dropped"] += reasoned
        if this.votes <= 1 < this.votes + votes:
            self.compared += 1
            self.agreement += said.get("agreement", 0.0)
        self.annotators.update(people - this.annotators)
        self.written[part] += votes
        self.rows[part] += rows
        this.votes += votes
        this.annotators |= people

    def refuse(self, pair: JudgedPair, reason: str) -> None:
        """Count a judged pair that the format cannot hold."""
        this = self._this(pair)
        if not this.unheld:
            self.unheld[reason] += 1
        this.unheld = True

    def _this(self, pair: JudgedPair) -> _Pair:
        """What is known so far of a pair; its judgments follow each other."""
        number = pair.provenance["pair"]
        if number != self._pair.number:
            self._pair = _Pair(number)
        return self._pair

    def counts(self) -> dict[str, int]:
        """All of them, flat, as the manifest and the store have them."""
        return {
            "judgments": self.judgments,
            **{f"pairs_{part}": count for part, count in sorted(self.pairs.items())},
            **{f"judgments_{part}": count for part, count in sorted(self.written.items())},
            **{f"rows_{part}": count for part, count in sorted(self.rows.items())},
            **{f"excluded_{reason}": count for reason, count in sorted(self.left_out.items())},
            **{f"unheld_{reason}": count for reason, count in sorted(self.unheld.items())},
            **{f"reasoning_{what}": count for what, count in sorted(self.reasoned.items()) if count},
        }
