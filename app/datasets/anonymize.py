"""Judged pairs without who judged them. Knows no format and no file."""

from dataclasses import dataclass, field, replace
from secrets import token_hex

from data.records.judged_pair import JudgedPair


@dataclass(frozen=True, slots=True)
class Numbering:
    """What people are called in one file that does not name them: its tag and a number, such as 9f3c21ab-1.

    The tag is drawn for each file: two files never call two people the same, so that an import keeps them apart.
    """

    tag: str = field(default_factory=lambda: token_hex(4))
    numbers: dict[str, int] = field(default_factory=dict)

    def name(self, pseudonym: str) -> str:
        """What somebody is called in this file; the next number, if he was not met before."""
        return f"{self.tag}-{self.numbers.setdefault(pseudonym, len(self.numbers) + 1)}"


def anonymised(pair: JudgedPair, numbering: Numbering) -> JudgedPair:
    """The same pair without who judged it, his own words, and the digest by which his judgment could be found.

    Who judged alone has a number instead, so that what he and others said of one pair stays apart.
    """
    kept = pair.provenance.copy()
    for key in ("annotators", "comment", "judgment"):
        kept.pop(key, None)  # type: ignore[misc]  # all may be missing
    if (pseudonym := kept.pop("annotator", None)) is not None:
        kept["annotator"] = numbering.name(pseudonym)
    return replace(pair, provenance=kept)
