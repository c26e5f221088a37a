"""A judged pair from a file, with the digests by which a store knows it again. Knows nothing of files and tables.

The answers stand in the order of their texts, since a file often puts the chosen one first and a is better than b here
only by accident.
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
"""What the idempotency key of an imported judgment begins with; its digest follows."""

_NOBODY = ""


class JudgmentKey(NamedTuple):
    """What a judgment says of which pair: the digest of that, and a choice, its answers in the order of their texts."""

    pair_sha256: str
    choice: Choice
    strength: int | None

    def agrees(self, other: "JudgmentKey") -> bool:
        """Whether both say the same; an export may say a strength where the judgment said none."""
        strengths = {self.strength, other.strength} - {None}
        return self[:2] == other[:2] and len(strengths) < 2


@dataclass(frozen=True, slots=True)
class ImportedPair:
    """A judged pair with its digests. texts, verdict, models and thoughts are in the order of the texts.

    A strength between two, as a mean of votes is, becomes the nearer one; one in the middle becomes 2.

    key: the idempotency key of its judgment. digest: that of the judgment where it was given, if the file says so.
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
        """The arrival of a judged pair, with its prompt's text and digest. Raises InputError for no time or flag."""
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
        """What it says of which pair."""
        return JudgmentKey(self.pair_sha256, self.verdict.choice, self.verdict.strength)

    @property
    def annotator(self) -> str:
        """Who judged, in the file's own words; one nobody for all rows that do not say."""
        return self.pair.provenance.get("annotator", _NOBODY)

    @property
    def votes(self) -> int:
        """How many votes it puts together."""
        return self.pair.provenance.get("votes", 1)

    @staticmethod
    def of_prompt(messages: Sequence[Message]) -> tuple[str, str]:
        """The canonical text of a prompt and its digest."""
        text = canonical_text(messages)
        return text, sha256(text)

    def origin(self, file: ImportFile) -> PromptOrigin:
        """Where its prompt comes from: what the row says, or else the file."""
        said = self.pair.provenance
        split = Split.HELDOUT if said.get("split") == Split.HELDOUT else None
        return PromptOrigin(said.get("source") or file.source, split=split, license=said.get("license") or file.license)


def pair_digest(prompt_sha256: str, first: str, second: str) -> str:
    """The digest of a pair: of its prompt, and of its answers in the order of their texts."""
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
        # a time of the year 9999 may be in no year of UTC, and then nobody could export it
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
