"""A judged pair to import, with the digests by which the store recognises its prompt, pair and judgment.

Answers are ordered by their texts: files often put the chosen one first, and the order must not say which is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from data.errors import InputError
from data.prompts.conversations import canonical_text
from data.prompts.prompts import PromptOrigin
from data.records import Choice, Flag, ImportFile, Message, Remarks, Split, Thought, Verdict
from data.records.judged_pair import JudgedPair, Sampled
from data.support.digests import canonical, sha256

IMPORTED_KEY = "import/"
"""The prefix of an imported judgment's idempotency key; the judgment's digest follows."""

_NOBODY = ""


class JudgmentKey(NamedTuple):
    """What a judgment says: the digest of its pair, the choice and the strength, with answers in the order of texts."""

    pair_sha256: str
    choice: Choice
    strength: int | None

    def agrees(self, other: "JudgmentKey") -> bool:
        """Return whether both say the same; an export may give a strength where the judgment gave none."""
        strengths = {self.strength, other.strength} - {None}
        return self[:2] == other[:2] and len(strengths) < 2


@dataclass(frozen=True, slots=True)
class ImportedPair:
    """A judged pair with its digests. texts, verdict, models and thoughts are in the order of the texts.

    A fractional strength, the mean of several votes, is rounded to the nearest; halves become 2.

    key: the idempotency key of its judgment. digest: that of the judgment in its original store, if the file says so.
    judged_at: ms since the Unix epoch, None if the file does not say.
    """

    messages: str
    prompt_sha256: str
    pair_sha256: str
    texts: tuple[str, str]
    models: tuple[str | None, str | None]
    thoughts: tuple[Thought | None, Thought | None]
    verdict: Verdict
    swapped: bool
    key: str
    digest: str | None
    judged_at: int | None
    pair: JudgedPair

    @classmethod
    def of(cls, pair: JudgedPair, messages: str, digest: str) -> "ImportedPair":
        """Prepare a judged pair, given its prompt's text and digest. Raises InputError for an invalid time or flag."""
        turned = pair.a > pair.b
        choice = pair.choice.mirrored if turned else pair.choice
        texts = (pair.b, pair.a) if turned else (pair.a, pair.b)
        said = pair.provenance
        models = (_model(said.get("a")), _model(said.get("b")))
        thoughts = (_thought(said.get("a")), _thought(said.get("b")))
        pair_sha256 = pair_digest(digest, *texts)
        strength = None if pair.strength is None or not choice.decisive else round(pair.strength)
        judgment = said.get("judgment")
        key = judgment or sha256(canonical([pair_sha256, choice.value, strength, said.get("annotator")]))
        remarks = _remarks(pair)
        return cls(
            messages=messages,
            prompt_sha256=digest,
            pair_sha256=pair_sha256,
            texts=texts,
            models=models[::-1] if turned else models,
            thoughts=thoughts[::-1] if turned else thoughts,
            verdict=Verdict(choice, strength, said.get("elapsed_ms"), remarks.mirrored if turned else remarks),
            swapped=said.get("shown_first") == ("a" if turned else "b"),
            key=f"{IMPORTED_KEY}{key}",
            digest=judgment,
            judged_at=_milliseconds(said.get("created_at")),
            pair=pair,
        )

    @property
    def said(self) -> JudgmentKey:
        """The choice it states, and for which pair."""
        return JudgmentKey(self.pair_sha256, self.verdict.choice, self.verdict.strength)

    @property
    def annotator(self) -> str:
        """The annotator as named in the file; rows without one share a single unnamed annotator."""
        return self.pair.provenance.get("annotator", _NOBODY)

    @property
    def votes(self) -> int:
        """The number of votes that it aggregates."""
        return self.pair.provenance.get("votes", 1)

    @staticmethod
    def of_prompt(messages: Sequence[Message]) -> tuple[str, str]:
        """Return the canonical text of a prompt and its digest."""
        text = canonical_text(messages)
        return text, sha256(text)

    def origin(self, file: ImportFile) -> PromptOrigin:
        """Return where its prompt comes from: by the row, or else by the file."""
        said = self.pair.provenance
        split = Split.HELDOUT if said.get("split") == Split.HELDOUT else None
        return PromptOrigin(said.get("source") or file.source, split=split, license=said.get("license") or file.license)


def pair_digest(prompt_sha256: str, first: str, second: str) -> str:
    """Return the digest of a pair: of its prompt, and of its answers in the order of their texts."""
    return sha256(canonical([prompt_sha256, first, second]))


def _model(sampled: Sampled | None) -> str | None:
    return None if sampled is None else sampled.get("version")


def _thought(sampled: Sampled | None) -> Thought | None:
    said = sampled or Sampled()
    text = said.get("reasoning")
    if not text:
        return None
    tokens = said.get("reasoning_tokens")
    if tokens is not None and tokens < 0:
        raise InputError(f"reasoning_tokens is {tokens}, which is no number of tokens")
    return Thought(text, tokens)


def _milliseconds(said: str | None) -> int | None:
    if said is None:
        return None
    try:
        # a time in year 9999 of another zone may be beyond year 9999 in UTC, and could never be exported
        since = datetime.fromisoformat(said).astimezone(UTC) - datetime.fromtimestamp(0, UTC)
        return max(0, since // timedelta(milliseconds=1))
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"created_at is {said!r:.40}, no time as ISO 8601 has it") from error


def _remarks(pair: JudgedPair) -> Remarks:
    said = pair.provenance
    reasons = said.get("reasons", {})
    flag = said.get("flag")
    if flag is not None and flag not in set(Flag):
        raise InputError(f"flag is {flag!r:.40}, none of {', '.join(Flag)}")
    return Remarks(
        tuple(reasons.get("a", ())),
        tuple(reasons.get("b", ())),
        said.get("comment", ""),
        None if flag is None else Flag(flag),
    )
