"""Remove annotators from judged pairs that are exported anonymously."""

from dataclasses import dataclass, field, replace
from secrets import token_hex

from data.records.judged_pair import JudgedPair


@dataclass(frozen=True, slots=True)
class Numbering:
    """Names of annotators in an anonymous file: the file's tag and a number, such as 9f3c21ab-1.

    The tag is random for each file, so that imports of two files never take different people for the same.
    """

    tag: str = field(default_factory=lambda: token_hex(4))
    numbers: dict[str, int] = field(default_factory=dict)

    def name(self, pseudonym: str) -> str:
        """Return an annotator's name in this file, assigning the next number to a new one."""
        return f"{self.tag}-{self.numbers.setdefault(pseudonym, len(self.numbers) + 1)}"


def anonymised(pair: JudgedPair, numbering: Numbering) -> JudgedPair:
    """Return a pair without its annotators, their comment, and the digest that identifies the judgment.

    If it has a single annotator, a number replaces the pseudonym, so that different people's judgments of one pair stay
    distinct.
    """
    kept = pair.provenance.copy()
    for key in ("annotators", "comment", "judgment"):
        kept.pop(key, None)  # type: ignore[misc]  # all may be missing
    if (pseudonym := kept.pop("annotator", None)) is not None:
        kept["annotator"] = numbering.name(pseudonym)
    return replace(pair, provenance=kept)
