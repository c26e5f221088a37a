"""Counts of what happened to the judgments and pairs of an export."""

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
    """The pair being counted: its annotators, its judgments so far, and whether the format could not hold it."""

    number: int | None = None
    annotators: set[str] = field(default_factory=set)
    votes: int = 0
    unheld: bool = False


@dataclass(slots=True)
class ExportTally:
    """Counts so far. left_out: judgments by reason; unheld: pairs that the format cannot represent, by reason.

    pairs, written, rows: pairs, judgments and rows by split; consecutive judgments of one pair count as one pair.
    annotators, sources, licenses: pairs of each; compared: pairs with several judgments; agreement: the sum over these.
    reasoned: answers with reasoning, by whether the format holds it ("kept", "dropped"). numbering: names of people in
    an anonymous file. told: called from time to time with the number of judgments processed.
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
        """Count judgments that have been processed."""
        before, self.judgments = self.judgments, self.judgments + judgments
        if before // _TOLD_EVERY < self.judgments // _TOLD_EVERY:
            self.told(self.judgments)

    def describe(self, pair: JudgedPair, rows: int, *, keeps_reasoning: bool) -> None:
        """Count a judged pair written as this many rows, with its reasoning and provenance."""
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
        """Count a judged pair that the format cannot represent."""
        this = self._this(pair)
        if not this.unheld:
            self.unheld[reason] += 1
        this.unheld = True

    def _this(self, pair: JudgedPair) -> _Pair:
        """Return the counts of the current pair; judgments of one pair follow each other."""
        number = pair.provenance["pair"]
        if number != self._pair.number:
            self._pair = _Pair(number)
        return self._pair

    def counts(self) -> dict[str, int]:
        """Return all counts in one flat dict, as the manifest and the store have them."""
        return {
            "judgments": self.judgments,
            **{f"pairs_{part}": count for part, count in sorted(self.pairs.items())},
            **{f"judgments_{part}": count for part, count in sorted(self.written.items())},
            **{f"rows_{part}": count for part, count in sorted(self.rows.items())},
            **{f"excluded_{reason}": count for reason, count in sorted(self.left_out.items())},
            **{f"unheld_{reason}": count for reason, count in sorted(self.unheld.items())},
            **{f"reasoning_{what}": count for what, count in sorted(self.reasoned.items()) if count},
        }
