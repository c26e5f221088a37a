"""Judged pairs without who judged them. Knows no format and no file."""

from dataclasses import replace

from data.judged_pair import JudgedPair


def anonymised(pair: JudgedPair, numbers: dict[str, int]) -> JudgedPair:
    """The same pair without who judged it, his own words, and the digest by which his judgment could be found.

    Who judged alone has a number instead, so that what he and others said of one pair stays apart. numbers: by
    pseudonym, of the people of one file so far; filled.
    """
    kept = pair.provenance.copy()
    for key in ("annotators", "comment", "judgment"):
        kept.pop(key, None)  # type: ignore[misc]  # all may be missing
    if (pseudonym := kept.pop("annotator", None)) is not None:
        kept["annotator"] = str(numbers.setdefault(pseudonym, len(numbers) + 1))
    return replace(pair, provenance=kept)
