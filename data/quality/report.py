"""The quality report of a store: overall measures, each annotator's, and the findings."""

from collections.abc import Iterable
from dataclasses import dataclass

from data.quality.agreement import fleiss, krippendorff, percent_agreement
from data.quality.annotator import AnnotatorQuality, annotator_quality
from data.quality.bias import LengthBias, length_bias, position_bias
from data.quality.consensus import consensus
from data.quality.consistency import paces
from data.quality.findings import Finding, findings
from data.quality.over_time import shared_items
from data.quality.share import Share
from data.quality.vote import QualityVote
from data.quality.vote_table import by_annotator, table_of, words_of


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What all votes show; None for what they do not show.

    items: how many were judged at all; shared: by two or more people. agreement: the share of agreeing pairs of votes
    on one item; fleiss and alpha (Krippendorff's): the same, beyond chance; the labels are a, b and neither. left,
    length: the biases of all votes together. annotators: by id. findings: by annotator id.
    """

    judgments: int
    items: int
    shared: int
    agreement: float | None
    fleiss: float | None
    alpha: float | None
    left: Share | None
    length: LengthBias | None
    annotators: tuple[AnnotatorQuality, ...]
    findings: tuple[Finding, ...]

    def findings_on(self, annotator_id: int) -> tuple[Finding, ...]:
        """Return the findings about one annotator."""
        return tuple(finding for finding in self.findings if finding.annotator_id == annotator_id)


def quality_report(quality_votes: Iterable[QualityVote]) -> QualityReport:
    """Measure all annotators. Agreement uses first votes on items; re-asks only measure a person's own consistency."""
    cast = table_of(quality_votes)
    words = words_of(cast)
    shared = shared_items(words)
    agreed = consensus(words)
    del words
    pace = paces(by_annotator(cast))
    annotators = tuple(annotator_quality(number, own, agreed, pace.get(number)) for number, own in by_annotator(cast))
    found = [
        finding for own in annotators for finding in findings(own, [other for other in annotators if other is not own])
    ]
    return QualityReport(
        judgments=len(cast),
        items=shared.of,
        shared=len(shared.counts),
        agreement=percent_agreement(shared.counts),
        fleiss=fleiss(shared.counts),
        alpha=krippendorff(shared.counts),
        left=position_bias(cast),
        length=length_bias(cast),
        annotators=annotators,
        findings=tuple(found),
    )
